#!/bin/sh
# The pipeline of main.go as three commands behind "larder run": run it twice. Results go to the
# directory that is named, else to ./out.
#
# A stage is known by its executable, its arguments and the contents of its inputs. So after a change in
# stages.go all three run again, and after a change in the recording, too; and if a stage makes
# what it made before, the ones after it do not run.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-out}"
cd "${1:-out}"

# Without paths and version control in it, the same source makes the same executable.
go build -C "$here" -trimpath -buildvcs=false -o "$PWD/spikes" .
command -v larder >/dev/null || {
	go build -C "$here" -o "$PWD/larder" ../../cmd/larder
	PATH=$PWD:$PATH
}
cp "$here/testdata/18702001-step.atf" recording.atf

larder run --name read -i recording.atf -o current.npy -- ./spikes read recording.atf current.npy
larder run --name detrend -i current.npy -o flat.npy -- ./spikes detrend current.npy flat.npy
larder run --name detect -i flat.npy -o spikes.txt -- ./spikes detect flat.npy spikes.txt
cat spikes.txt
