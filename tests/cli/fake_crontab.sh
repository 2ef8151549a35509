#!/bin/sh
# What the program `crontab` of Debian does, with a table in the folder that this is in: same words, same exit codes.
folder=$(dirname "$0")
user=$(id -un)
if [ -e "$folder/denied" ]; then
    echo "You ($user) are not allowed to use this program (crontab)" >&2
    echo "See crontab(1) for more information" >&2
    exit 1
fi
case $1 in
    -l)
        [ -e "$folder/table" ] || { echo "no crontab for $user" >&2; exit 1; }
        LC_ALL=C sed 's/\r/\\r/g' "$folder/table"
        ;;
    -e)
        "$VISUAL" "$folder/table"
        echo 'No modification made' >&2
        ;;
    -r)
        [ -e "$folder/table" ] || { echo "no crontab for $user" >&2; exit 1; }
        rm "$folder/table"
        echo removed >>"$folder/deeds"
        ;;
    -)
        cat >"$folder/new"
        if grep -avE '^[[:space:]]*(#|$|[A-Za-z_]+[[:space:]]*=|@[a-z]+ |[0-9*])' "$folder/new" >/dev/null; then
            echo '"-":0: bad minute' >&2
            echo "errors in crontab file, can't install." >&2
            exit 1
        fi
        if [ -s "$folder/new" ] && [ -n "$(tail -c 1 "$folder/new")" ]; then
            echo "new crontab file is missing newline before EOF, can't install." >&2
            exit 1
        fi
        mv "$folder/new" "$folder/table"
        echo written >>"$folder/deeds"
        ;;
    *)
        echo "usage: crontab [-l | -r | -]" >&2
        exit 1
        ;;
esac
