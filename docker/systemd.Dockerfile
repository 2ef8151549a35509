# The machine that wnm is tested on: systemd, UFW and cron for real, built by scripts/container.sh.
#
# BASE is Debian trixie, from a registry or by debootstrap; the folder wheels/ of the build context holds what
# requirements-dev.lock names, fetched on the host, so that no build step needs a network that the host configured.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS system
LABEL wnm-test-machine=image
COPY packages.txt /opt/packages.txt
RUN dpkg --status $(cat /opt/packages.txt) >/dev/null 2>&1 \
    || { apt-get update -qq \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(cat /opt/packages.txt); } \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb

FROM system AS tools
COPY wheels /opt/wheels
COPY requirements-dev.lock /opt/requirements-dev.lock
RUN python3 -m venv /opt/wnm-venv \
    && /opt/wnm-venv/bin/python -m pip install -qq --no-index --find-links /opt/wheels --requirement /opt/requirements-dev.lock

FROM system
COPY --from=tools /opt/wnm-venv /opt/wnm-venv
COPY entrypoint.sh /opt/entrypoint.sh
# An ordinary user, and one who may become root. The group `operator` is Debian's own. No machine id: each start is a new machine.
RUN useradd --create-home --shell /bin/bash --no-user-group --gid users operator \
    && useradd --create-home --shell /bin/bash --user-group --groups sudo sudoer \
    && echo 'sudoer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/sudoer \
    && chmod 440 /etc/sudoers.d/sudoer \
    && chmod 755 /opt/entrypoint.sh \
    && systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    && mkdir /srv/wnm \
    && rm -f /var/lib/dbus/machine-id \
    && : >/etc/machine-id
ENV PATH=/opt/wnm-venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTEST_ADDOPTS="-p no:cacheprovider" \
    HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis \
    IN_WNM_TEST_MACHINE=1
WORKDIR /srv/wnm
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/opt/entrypoint.sh"]
