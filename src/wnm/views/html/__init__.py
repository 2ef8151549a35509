"""The status page: values in, one self-contained HTML text out."""
