package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The parts of bbolt's file format (version 2) the checker reads. Numbers are in the byte order of the machine that wrote
// the file.
const (
	pageHeader    = 16 // id u64, flags u16, count u16, overflow u32
	elementSize   = 16 // leaf: flags, pos, ksize, vsize u32; branch: pos, ksize u32, page u64
	bucketHeader  = 16 // root page u64 (0: the page follows inline), sequence u64
	flagBranch    = 0x01
	flagLeaf      = 0x02
	flagFreelist  = 0x10
	flagBucket    = 0x01 // of a leaf element
	boltMagic     = 0xED0CDAED
	boltVersion   = 2
	noFreelist    = ^uint64(0)
	metaSize      = 64
	maxDepth      = 48 // far more than any tree of this page size has
	progressPages = 256
)

// meta is what the checker needs of a meta page.
type meta struct {
	pageSize             int
	root, freelist       uint64
	pages, txid          uint64 // pages: the high water mark
	otherByteOrder, good bool
}

// clean reports whether the file was closed in order: only Close writes the list of free pages, so a file that has none
// was in use when its writer ended. A file that was opened and not written to stays clean.
func (m *meta) clean() bool { return m.freelist != noFreelist }

func parseMeta(page []byte) (m meta) {
	b := page[pageHeader : pageHeader+metaSize]
	ne := binary.NativeEndian
	if ne.Uint32(b) != boltMagic {
		m.otherByteOrder = binary.LittleEndian.Uint32(b) == boltMagic || binary.BigEndian.Uint32(b) == boltMagic
		return m
	}
	sum := uint64(14695981039346656037) // FNV-1a, without the allocation of hash/fnv: this runs for every View
	for _, c := range b[:56] {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	m.pageSize = int(ne.Uint32(b[8:]))
	m.root, m.freelist = ne.Uint64(b[16:]), ne.Uint64(b[32:])
	m.pages, m.txid = ne.Uint64(b[40:]), ne.Uint64(b[48:])
	m.good = ne.Uint32(b[4:]) == boltVersion && ne.Uint64(b[56:]) == sum &&
		m.pageSize >= 512 && m.pageSize <= 64<<10 && m.pageSize&(m.pageSize-1) == 0
	return m
}

// readMeta returns the meta page bbolt would use: the valid one with the higher transaction number.
func readMeta(r io.ReaderAt) (meta, error) {
	var buf [pageHeader + metaSize]byte
	var best meta
	other := false
	read := func(off int64) {
		if _, err := r.ReadAt(buf[:], off); err != nil {
			return
		}
		m := parseMeta(buf[:])
		other = other || m.otherByteOrder
		// The first meta page lies at 0 and the second one page further.
		if m.good && (off == 0 || off == int64(m.pageSize)) && (!best.good || m.txid > best.txid) {
			best = m
		}
	}
	read(0)
	if best.good {
		read(int64(best.pageSize))
		return best, nil
	}
	for size := int64(1024); size <= 64<<10; size *= 2 {
		read(size)
	}
	switch {
	case best.good:
		return best, nil
	case other:
		return best, errors.New("store: the file was written on a machine of the other byte order")
	}
	return best, fmt.Errorf("%w: no valid meta page", ErrDamaged)
}

// Check reads every page of a bbolt file that is in use and verifies what bbolt takes for granted when it reads: page
// numbers and types, that every key and value lies within its page, the order of keys, and that no page is used twice.
// It uses plain reads and a bit per page, so whatever is in the file, it returns an error and does not fault; what it
// cannot see is a changed byte within a value, since the format has checksums in the meta pages only.
//
// The file must not be written to meanwhile. progress, which may be nil, gets the bytes checked of the bytes in use.
func Check(path string, progress func(done, total int64)) error {
	return checkUntil(path, nil, progress)
}

// checkUntil is Check and ends, with any error, when stop is closed.
func checkUntil(path string, stop <-chan struct{}, progress func(done, total int64)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return checkPages(&until{f, stop}, info.Size(), progress)
}

// until reads a file until stop is closed.
type until struct {
	io.ReaderAt
	stop <-chan struct{}
}

func (u *until) ReadAt(p []byte, off int64) (int, error) {
	if stopped(u.stop) {
		return 0, ErrClosed
	}
	return u.ReaderAt.ReadAt(p, off)
}

func checkPages(r io.ReaderAt, size int64, progress func(done, total int64)) error {
	m, err := readMeta(r)
	if err != nil {
		return err
	}
	if m.pages < 3 || m.pages > uint64(size)/uint64(m.pageSize) {
		return fmt.Errorf("%w: the file has %d bytes and should have %d pages of %d", ErrDamaged, size, m.pages, m.pageSize)
	}
	c := &checker{file: r, meta: m, seen: make([]uint64, m.pages/64+1), progress: progress}
	if err := c.tree(m.root, 0, nil, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if m.clean() {
		if err := c.freelist(); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if progress != nil {
		progress(int64(m.pages)*int64(m.pageSize), int64(m.pages)*int64(m.pageSize))
	}
	return nil
}

type checker struct {
	file     io.ReaderAt
	meta     meta
	seen     []uint64         // a bit per page
	buf      [maxDepth][]byte // one page for each level of the walk
	pages    int64            // visited
	progress func(done, total int64)
}

// claim marks n pages beginning with id as used.
func (c *checker) claim(id, n uint64) error {
	if id < 2 || n > c.meta.pages || id > c.meta.pages-n {
		return fmt.Errorf("page %d (+%d) lies outside of the file", id, n-1)
	}
	for ; n > 0; n, id = n-1, id+1 {
		if c.seen[id/64]&(1<<(id%64)) != 0 {
			return fmt.Errorf("page %d is used twice", id)
		}
		c.seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

// load reads page id with its overflow into the buffer of the level.
func (c *checker) load(id uint64, depth int) ([]byte, error) {
	size := c.meta.pageSize
	if c.buf[depth] == nil {
		c.buf[depth] = make([]byte, size)
	}
	b := c.buf[depth][:size]
	if id >= c.meta.pages {
		return nil, fmt.Errorf("page %d lies outside of the file", id)
	}
	if _, err := c.file.ReadAt(b, int64(id)*int64(size)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	overflow := uint64(binary.NativeEndian.Uint32(b[12:]))
	if got := binary.NativeEndian.Uint64(b); got != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, got)
	}
	if err := c.claim(id, overflow+1); err != nil {
		return nil, err
	}
	if overflow > 0 {
		b = append(b, make([]byte, int(overflow)*size)...)
		if _, err := c.file.ReadAt(b[size:], int64(id+1)*int64(size)); err != nil {
			return nil, fmt.Errorf("page %d: %w", id+1, err)
		}
		if len(b) <= 256<<10 { // a page of one huge value is not worth keeping
			c.buf[depth] = b
		}
	}
	if c.pages++; c.progress != nil && c.pages%progressPages == 0 {
		total := int64(c.meta.pages) * int64(size)
		c.progress(min(c.pages*int64(size), total), total)
	}
	return b, nil
}

// tree checks the subtree at page id, whose keys must lie in [lo, hi); nil means no bound.
func (c *checker) tree(id uint64, depth int, lo, hi []byte) error {
	if depth >= maxDepth {
		return fmt.Errorf("page %d: the tree is too deep", id)
	}
	b, err := c.load(id, depth)
	if err != nil {
		return err
	}
	if err := c.page(b, depth, lo, hi); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// page checks one page, which may be inline in its parent, and what hangs below it.
func (c *checker) page(b []byte, depth int, lo, hi []byte) error {
	ne := binary.NativeEndian
	flags, count := ne.Uint16(b[8:]), int(ne.Uint16(b[10:]))
	head := pageHeader + count*elementSize
	if head > len(b) {
		return errors.New("more elements than fit")
	}
	if flags != flagLeaf && (flags != flagBranch || count == 0) {
		return fmt.Errorf("unexpected type %#x with %d elements", flags, count)
	}
	last := lo
	for i := range count {
		at := pageHeader + i*elementSize
		e := b[at:]
		pos, ksize, vsize := uint64(ne.Uint32(e)), uint64(ne.Uint32(e[4:])), uint64(0)
		if flags == flagLeaf {
			pos, ksize, vsize = uint64(ne.Uint32(e[4:])), uint64(ne.Uint32(e[8:])), uint64(ne.Uint32(e[12:]))
		}
		from := uint64(at) + pos
		if from < uint64(head) || from+ksize+vsize > uint64(len(b)) || ksize == 0 {
			return fmt.Errorf("element %d reaches out of the page", i)
		}
		key := b[from : from+ksize]
		if order := bytes.Compare(last, key); order > 0 || (i > 0 && order == 0) || (hi != nil && bytes.Compare(key, hi) >= 0) {
			return fmt.Errorf("element %d is out of order", i)
		}
		last = key
		var err error
		switch {
		case flags == flagBranch:
			// A child's keys end where the next element's begin.
			next := hi
			if i+1 < count {
				n := b[at+elementSize:]
				nfrom := uint64(at+elementSize) + uint64(ne.Uint32(n))
				nto := nfrom + uint64(ne.Uint32(n[4:]))
				if nto > uint64(len(b)) {
					return fmt.Errorf("element %d reaches out of the page", i+1)
				}
				next = b[nfrom:nto]
			}
			err = c.tree(ne.Uint64(e[8:]), depth+1, key, next)
		case ne.Uint32(e) == flagBucket:
			err = c.bucket(b[from+ksize:from+ksize+vsize], depth)
		case ne.Uint32(e) != 0:
			err = fmt.Errorf("element %d has unknown flags", i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) bucket(v []byte, depth int) error {
	if len(v) < bucketHeader {
		return errors.New("short bucket header")
	}
	if root := binary.NativeEndian.Uint64(v); root != 0 {
		return c.tree(root, depth+1, nil, nil)
	}
	if len(v) < bucketHeader+pageHeader || depth+1 >= maxDepth {
		return errors.New("bad inline bucket")
	}
	return c.page(v[bucketHeader:], depth+1, nil, nil)
}

// freelist checks the list of free pages; bbolt will write over every page in it.
func (c *checker) freelist() error {
	id := c.meta.freelist
	b, err := c.load(id, 0)
	if err != nil {
		return err
	}
	ne := binary.NativeEndian
	if ne.Uint16(b[8:]) != flagFreelist {
		return fmt.Errorf("page %d is not a list of free pages", id)
	}
	n, ids := uint64(ne.Uint16(b[10:])), b[pageHeader:]
	if n == 0xffff {
		n, ids = ne.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return fmt.Errorf("page %d: more free pages than fit", id)
	}
	for ; n > 0; n, ids = n-1, ids[8:] {
		if err := c.claim(ne.Uint64(ids), 1); err != nil {
			return fmt.Errorf("list of free pages: %w", err)
		}
	}
	return nil
}
