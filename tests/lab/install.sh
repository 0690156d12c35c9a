#!/bin/sh
# Installs what the lab needs on Debian, without starting any service.
#
# Idempotent, and quick when everything is there. Needs root; elsewhere than on Debian it says so and changes nothing.
set -eu

# What is needed, as package:program. A package whose program is on the path is left alone.
NEEDED="
openvswitch-switch:ovs-vswitchd
openvswitch-common:ovs-ofctl
openvswitch-testcontroller:ovs-testcontroller
tshark:tshark
mininet:mn
bird2:bird
frr:vtysh
gobgpd:gobgpd
openbgpd:bgpctl
bgpdump:bgpdump
iproute2:ss
prometheus:prometheus
prometheus:promtool
iperf3:iperf3
iproute2:ip
iproute2:tc
iputils-ping:ping
arping:arping
ethtool:ethtool
tcpdump:tcpdump
lldpd:lldpd
openssl:openssl
procps:sysctl
util-linux:unshare
g++:g++
"

PATH=$PATH:/usr/sbin:/sbin
packages=""
for pair in $NEEDED; do
    package=${pair%%:*} program=${pair##*:}
    if ! command -v "$program" >/dev/null 2>&1; then
        case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
    fi
done
# Not a program: what the path tests are checked against.
if ! /usr/bin/python3 -c 'import networkx' 2>/dev/null; then packages="$packages python3-networkx"; fi
if [ -z "$packages" ]; then
    echo "lab: everything is installed"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || [ ! -e /etc/debian_version ]; then
    echo "lab: this is not Debian; install by hand:$packages" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "lab: installing needs root:$packages" >&2
    exit 1
fi

# Debian starts a daemon when its package is installed, unless this says no (exit status 101).
policy=/usr/sbin/policy-rc.d
kept=""
restore() {
    if [ -n "$kept" ]; then mv "$kept" "$policy"; else rm -f "$policy"; fi
}
if [ -e "$policy" ]; then
    kept=$(mktemp "$policy.XXXXXX")
    cp -p "$policy" "$kept"
fi
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "lab: installing$packages"
export DEBIAN_FRONTEND=noninteractive
install() {
    # Words are meant to be split: one argument per package.
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $packages
}
if ! apt-get install -s -q --no-install-recommends $packages >/dev/null 2>&1; then
    apt-get update -q
fi
# The package lists may be older than the archive: once more with fresh ones.
install || { apt-get update -q && install; }
echo "lab: installed"
