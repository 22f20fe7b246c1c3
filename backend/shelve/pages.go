package shelve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// pages reads a bbolt file page by page, so that what is damaged costs no more than itself. Source of the
// layout: bbolt's internal/common/{page,meta,bucket,inode}.go, version 1.5; all numbers are in
// the byte order of the machine that wrote them.
//
//	page:   id u64, flags u16, count u16, overflow u32, then count elements and their data
//	branch: pos u32, ksize u32, pgid u64; pos is relative to the element
//	leaf:   flags u32, pos u32, ksize u32, vsize u32
//	meta:   magic u32, version u32, pageSize u32, flags u32, root pgid u64, sequence u64,
//	        freelist u64, pgid u64, txid u64, checksum u64 (FNV-64a of what is before it)
//	bucket: root pgid u64, sequence u64; root 0: a page follows, without a place of its own
type pages struct {
	r      io.ReaderAt
	size   int64
	page   int64 // bytes in one
	seen   map[uint64]bool
	last   uint64 // all pages of the last commit are before it
	faults []error
	use    func(bucket string, key, value []byte)
}

const (
	pageHeader    = 16
	elementSize   = 16
	metaLength    = 64
	bucketHeader  = 16
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	flagBranch    = 0x01
	flagLeaf      = 0x02
	flagBucket    = 0x01 // of a leaf's element
	smallestPage  = 512
	largestPage   = 1 << 20
	maxBuckets    = 2 // levels: the file's buckets hold no further ones
	maxPageLevels = 64
)

var native = binary.NativeEndian

// walkPages calls use for all that can be read of a bbolt file, as of its last commit, and returns what
// could not be read.
func walkPages(r io.ReaderAt, size int64, use func(bucket string, key, value []byte)) []error {
	p := &pages{r: r, size: size, seen: map[uint64]bool{}, use: use}
	root, err := p.meta()
	if err != nil {
		return []error{err}
	}
	p.tree(root, "", 1, 0)
	return p.faults
}

// meta returns the root page of the last commit whose meta page is sound.
func (p *pages) meta() (root uint64, err error) {
	var last uint64
	found := false
	for _, at := range []int64{0, 4096, 8192, 16384, 32768, 65536} { // the second lies where the size of pages says
		b := make([]byte, pageHeader+metaLength)
		if _, err := p.r.ReadAt(b, at); err != nil {
			continue
		}
		m := b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:metaLength-8])
		page, txid := int64(native.Uint32(m[8:])), native.Uint64(m[48:])
		sound := native.Uint32(m) == metaMagic && native.Uint32(m[4:]) == metaVersion && sum.Sum64() == native.Uint64(m[56:])
		if !sound || page < smallestPage || page > largestPage || at != 0 && at != page || found && txid <= last {
			continue
		}
		found, last, root, p.page, p.last = true, txid, native.Uint64(m[16:]), page, native.Uint64(m[40:])
	}
	if !found {
		return 0, errors.New("neither of its meta pages is sound")
	}
	return root, nil
}

// cutOff returns an error if the file at path lacks pages that it should have. What cannot be read is for others to tell.
func cutOff(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	p := &pages{r: f}
	if _, err := p.meta(); err != nil {
		return nil
	}
	fi, err := f.Stat()
	if err != nil {
		return nil
	}
	return checkSize(fi.Size(), int64(p.last)*p.page)
}

func (p *pages) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf(format, args...))
}

// read returns a page with its overflow.
func (p *pages) read(id uint64) ([]byte, error) {
	if id >= uint64(p.size/p.page) || p.seen[id] {
		return nil, fmt.Errorf("page %d is beyond the file's end, or used twice", id)
	}
	p.seen[id] = true
	b := make([]byte, p.page)
	if _, err := p.r.ReadAt(b, int64(id)*p.page); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if got := native.Uint64(b); got != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, got)
	}
	overflow := uint64(native.Uint32(b[12:]))
	if overflow >= uint64(p.size/p.page)-id {
		return nil, fmt.Errorf("page %d claims %d more pages, beyond the file's end", id, overflow)
	}
	if overflow > 0 {
		b = make([]byte, int64(overflow+1)*p.page)
		if _, err := p.r.ReadAt(b, int64(id)*p.page); err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
	}
	return b, nil
}

// tree goes through the pages of a bucket.
func (p *pages) tree(id uint64, bucket string, level, depth int) {
	b, err := p.read(id)
	if err != nil || depth > maxPageLevels {
		p.fault("in bucket %q: %w", bucket, errors.Join(err))
		return
	}
	p.content(b, fmt.Sprintf("page %d", id), bucket, level, depth)
}

// content goes through the elements of one page.
func (p *pages) content(b []byte, name, bucket string, level, depth int) {
	flags, count := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	if flags != flagBranch && flags != flagLeaf || pageHeader+count*elementSize > len(b) {
		p.fault("%s in bucket %q is neither a branch nor a leaf of %d elements", name, bucket, count)
		return
	}
	for i := range count {
		at := pageHeader + i*elementSize
		e := b[at : at+elementSize]
		if flags == flagBranch {
			p.tree(native.Uint64(e[8:]), bucket, level, depth+1)
			continue
		}
		pos, ksize, vsize := int64(native.Uint32(e[4:])), int64(native.Uint32(e[8:])), int64(native.Uint32(e[12:]))
		from := int64(at) + pos
		if pos < elementSize || from+ksize+vsize > int64(len(b)) {
			p.fault("element %d of %s in bucket %q lies outside of it", i, name, bucket)
			continue
		}
		key, value := b[from:from+ksize], b[from+ksize:from+ksize+vsize]
		if native.Uint32(e)&flagBucket == 0 {
			p.use(bucket, key, value)
			continue
		}
		p.bucket(string(key), value, level)
	}
}

// bucket goes through a bucket within another.
func (p *pages) bucket(name string, value []byte, level int) {
	if len(value) < bucketHeader || level >= maxBuckets {
		p.fault("the bucket %q cannot be there", name)
		return
	}
	root := native.Uint64(value)
	if root != 0 {
		p.tree(root, name, level+1, 0)
		return
	}
	if len(value) < bucketHeader+pageHeader {
		p.fault("the bucket %q is cut short", name)
		return
	}
	p.content(value[bucketHeader:], "the page", name, level+1, 0)
}
