package appliance

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// reserved is how many descriptors connections leave to the store, to certificates and to the operator's own door;
// where there are few at all, it is a quarter of them.
const reserved = 32

var errFiles = errors.New("too many open files: raise their limit (ulimit -n, or LimitNOFILE of systemd)")

// descriptors keeps connections from taking the last descriptors of the process.
type descriptors struct {
	mu   sync.Mutex
	room uint64 // connections that may come before all is counted again
}

// take tells whether there is a descriptor for a connection that was just accepted. Counting costs a millisecond where
// there are thousands: it is done when half of the room that was found last is taken, since others take of it, too.
func (d *descriptors) take() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room > 0 {
		d.room--
		return nil
	}
	var limit syscall.Rlimit // read each time: an operator can raise it
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil
	}
	used, err := openFiles()
	if err != nil { // without /proc nobody can tell
		return nil
	}
	most := limit.Cur - min(reserved, limit.Cur/4)
	if used >= most {
		return errFiles
	}
	d.room = (most - used) / 2
	return nil
}

// openFiles counts the descriptors of the process.
func openFiles() (uint64, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return uint64(len(names)), err
}
