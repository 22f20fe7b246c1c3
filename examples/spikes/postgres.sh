#!/bin/sh
# The pipeline of pipeline.sh with its results in Postgres and a bucket: run it twice.
#
#	./postgres.sh [OUT]                        a server of its own, in OUT, which ends with the script
#	LARDER_STORE='postgres://…' ./postgres.sh  a server and bucket that are there
#
# The bucket of the server of its own is a directory. Any bucket does as well: in the URL, data=s3://bucket/prefix.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-out}
mkdir -p "$out"
out=$(cd "$out" && pwd)
go build -C "$here" -o "$out" ../../cmd/larder ../../cmd/larder-cloud
PATH=$out:$PATH

if [ -z "$LARDER_STORE" ]; then
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
	[ -z "$bin" ] || PATH=$PATH:$bin
	socket=$(mktemp -d) # its path is short, as those of sockets must be
	as=
	if [ "$(id -u)" = 0 ]; then # which Postgres refuses to run as
		as='runuser -u postgres --'
		chown postgres "$socket"
	fi
	if [ ! -d "$out/server" ]; then
		mkdir "$out/server"
		[ -z "$as" ] || chown postgres "$out/server"
		(cd / && $as "$(command -v initdb)" -D "$out/server" -U larder -A trust >"$out/initdb.log")
	fi
	end() {
		(cd / && $as "$(command -v pg_ctl)" -D "$out/server" -m fast stop >/dev/null)
		rm -r "$socket"
	}
	trap end EXIT
	(cd / && $as "$(command -v pg_ctl)" -D "$out/server" -w -l "$socket/log" -o "-c listen_addresses= -k $socket" start >/dev/null)
	LARDER_STORE="postgres://larder@/postgres?host=$socket&data=file://$out/bucket"
fi
export LARDER_STORE

"$here/pipeline.sh" "$out"
larder index add params.cmd
larder ls
larder info
