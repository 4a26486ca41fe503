package store

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// pageSize is that of new files: the block of ext4, f2fs and UBIFS. Smaller pages write less only where the file system
// does not round them up to its own blocks.
const pageSize = 4096

// handle is an open bbolt file.
type handle struct {
	db    *bbolt.DB
	fd    *os.File
	metas []byte // our own map of the two meta pages, see enter
	stuck bool   // a panic left bbolt's writer lock held: it can only be abandoned
}

// mode is how a file is opened.
type mode struct {
	cache    bool // the limits of cache.db, and no sync
	readOnly bool // nothing is scanned or written, and the open is quick
	noSync   bool // a file being made, which is nobody's yet
}

// openHandle opens path.
func openHandle(path string, o Options, how mode) (*handle, error) {
	h := &handle{}
	size := int64(0)
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	maxSize := int64(0)
	if !how.cache {
		maxSize = o.MaxSize
	}
	if limit := addressLimit(how.cache); limit > 0 && (maxSize == 0 || maxSize > limit) {
		maxSize = limit
	}
	bo := bbolt.Options{
		Timeout:        o.LockTimeout,
		ReadOnly:       how.readOnly,
		NoFreelistSync: true, // the list of free pages is written by Close only, see meta.clean
		FreelistType:   bbolt.FreelistMapType,
		PageSize:       pageSize,
		MaxSize:        int(maxSize),
		NoSync:         how.cache || how.noSync,
		NoGrowSync:     how.cache || how.noSync,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			fd, err := os.OpenFile(name, flag, mode)
			h.fd = fd
			return fd, err
		},
	}
	err := error(unix.ENOMEM)
	for reserve := mapSize(size, how.cache); errors.Is(err, unix.ENOMEM) && int64(reserve) > size; reserve /= 2 {
		bo.InitialMmapSize = reserve
		err = guard(func() (err error) {
			h.db, err = bbolt.Open(path, 0o600, &bo)
			return err
		})
	}
	if err == nil {
		h.step(size)
		h.metas, err = unix.Mmap(int(h.fd.Fd()), 0, 2*h.db.Info().PageSize, unix.PROT_READ, unix.MAP_SHARED)
	}
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("the file system cannot map a file that is open for writing (jffs2 cannot): %w", err)
	}
	if err != nil {
		if h.db != nil {
			h.db.Close()
		} else if h.fd != nil {
			h.fd.Close() // a panic in bbolt.Open leaves it open, and locked
		}
		if errors.Is(err, berrors.ErrTimeout) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, path)
		}
		return nil, err
	}
	return h, nil
}

// close closes the file, unless bbolt cannot be entered any more: then its map is leaked and only the lock is let go.
func (h *handle) close() error {
	unix.Munmap(h.metas)
	if h.stuck {
		return h.fd.Close()
	}
	return h.db.Close()
}

// enter is called before a transaction begins. bbolt reads the meta pages with its locks held, and panics when neither is
// valid or when it cannot read them: the locks would stay held for ever. Here the same is one failed call.
func (h *handle) enter() error {
	half := len(h.metas) / 2
	first, second := parseMeta(h.metas), parseMeta(h.metas[half:])
	if !first.good && !second.good {
		return fmt.Errorf("%w: no valid meta page", ErrDamaged)
	}
	return nil
}

// step sets by how much the file grows when it must: a sixteenth, so that a 16 MB flash is not filled by reserve and a
// large file does not pay a truncate and a sync (which growing costs) every few commits.
func (h *handle) step(size int64) {
	h.db.AllocSize = int(min(max(size/16, 128<<10), 8<<20))
}

// mapSize is how much address space to reserve for a file of size bytes. bbolt waits for all readers whenever its map
// has to grow; so it is reserved once, at the open, with room for the file to grow. Reserving costs no memory.
func mapSize(size int64, cache bool) int {
	reserve, most := int64(4<<30), int64(1<<46)
	if cache {
		reserve = 1 << 30
	}
	if limit := addressLimit(cache); limit > 0 {
		most = limit
		reserve = limit / 2
	}
	for reserve < 2*size && reserve < most {
		reserve *= 2
	}
	return int(min(reserve, most))
}

// addressLimit is the largest file where addresses are scarce, 0 elsewhere: of the 2 GB that a mips process has (3 GB on
// arm) the heap and a second map during compaction need some too.
func addressLimit(cache bool) int64 {
	switch {
	case ^uint(0)>>63 == 1:
		return 0
	case cache:
		return 128 << 20
	case runtime.GOARCH == "mips" || runtime.GOARCH == "mipsle":
		return 512 << 20
	}
	return 1 << 30
}

// lockDir takes the directory for this process: the lock on each file comes too late to keep another process from
// checking, restoring or renaming them.
func lockDir(dir string, timeout time.Duration) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return d, nil
		}
		if err != unix.EWOULDBLOCK || time.Now().After(deadline) {
			break
		}
	}
	d.Close()
	if err == unix.EWOULDBLOCK {
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return nil, fmt.Errorf("store: lock %s: %w", dir, err)
}

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a directory and say EINVAL; they have nothing to sync then.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
