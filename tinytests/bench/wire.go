package main

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wire is a client's socket below TLS. It has two lives: while the stream is negotiated it is an ordinary net.Conn, so
// that a login reads from top to bottom; then detach takes the file descriptor out of Go's poller, and from there a loop
// reads it when epoll says so, at two system calls for a group of messages and without any goroutine.
type wire struct {
	net.Conn // while negotiating; closed after detach

	fd       int    // after detach
	detached bool   //
	armed    bool   // one read of the socket is allowed: epoll reported it
	rest     []byte // bytes read from the socket and not yet asked for; a part of the loop's scratch buffer
	scratch  []byte // the loop's, shared: rest is always used up before another wire reads
}

// errAgain tells that a detached wire has nothing to read now. crypto/tls goes on after an error that is temporary.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// errGone tells that the server closed the connection.
type errGone struct{}

func (errGone) Error() string { return "the server closed the connection" }

func (w *wire) detach() error {
	raw, err := w.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	if err := raw.Control(func(fd uintptr) { w.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return err
	}
	if dupErr != nil {
		return dupErr
	}
	w.detached = true
	return w.Conn.Close() // takes it out of Go's poller; the duplicate keeps the connection
}

func (w *wire) Read(p []byte) (int, error) {
	if !w.detached {
		return w.Conn.Read(p)
	}
	if len(w.rest) == 0 {
		if !w.armed {
			return 0, errAgain
		}
		w.armed = false
		n, err := rawIO(unix.SYS_READ, w.fd, w.scratch)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return 0, errAgain
		case err != 0:
			return 0, err
		case n == 0:
			return 0, errGone{}
		}
		w.rest = w.scratch[:n]
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	if !w.detached {
		return w.Conn.Write(p)
	}
	written := 0
	for written < len(p) {
		n, err := rawIO(unix.SYS_WRITE, w.fd, p[written:])
		switch {
		case err == unix.EAGAIN:
			// Rare: a few hundred bytes are in flight. A server that stops reading is found by the loop's stall check.
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}, 10_000); err != nil && err != unix.EINTR {
				return written, err
			}
		case err == unix.EINTR:
		case err != 0:
			return written, err
		default:
			written += n
		}
	}
	return written, nil
}

// rawIO reads or writes a socket that never blocks, past the scheduler: entering and leaving an ordinary system call, and
// the monitor that watches over these, are a tenth of the load's CPU time.
func rawIO(call uintptr, fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}

func (w *wire) Close() error {
	if !w.detached {
		return w.Conn.Close()
	}
	return unix.Close(w.fd)
}

// Deadlines are for the negotiation only; later the loop watches over progress.
func (w *wire) SetDeadline(t time.Time) error {
	if w.detached {
		return nil
	}
	return w.Conn.SetDeadline(t)
}
