package store

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// checkStall is how long the child may say nothing before it is taken for stuck on a dying disk.
const checkStall = 2 * time.Minute

// CheckMain is the child process of the check: a program calls it when it was started with Options.CheckCommand and one
// more argument, the path. It reports on out and returns the exit code. Beyond Check it lets bbolt itself open the file,
// which faults in goroutines nobody can guard: better here than in the server.
func CheckMain(path string, out io.Writer) int {
	fmt.Fprintln(out, "p 0 0") // a crash from here on is the file's fault
	shown := int64(-1)
	err := Check(path, func(done, total int64) {
		if p := done * 100 / max(total, 1); p != shown {
			shown = p
			fmt.Fprintf(out, "p %d %d\n", done, total)
		}
	})
	if err == nil {
		err = guard(func() error {
			db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, FreelistType: bbolt.FreelistMapType, Timeout: time.Second})
			if err != nil {
				return err
			}
			return db.Close()
		})
	}
	if err != nil {
		fmt.Fprintf(out, "bad %v\n", err)
		return 1
	}
	fmt.Fprintln(out, "ok")
	return 0
}

// guard runs fn and turns a panic of bbolt, or a fault in its map, into an ErrDamaged.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return fn()
}

// check checks the file in a child process where Options.CheckCommand names one, else here. A child that could not be
// started, or was killed from outside, says nothing about the file: the check is then made here. When stop is closed,
// which may be nil, the check ends with ErrClosed.
func (s *Store) check(path string, stop <-chan struct{}) error {
	if len(s.opt.CheckCommand) > 0 {
		verdict, err := s.checkInChild(path, stop)
		switch {
		case stopped(stop):
			return ErrClosed
		case err == nil:
			return verdict
		}
		s.log.Warn("store check runs in this process", "cause", err)
	}
	err := checkUntil(path, stop, s.opt.CheckProgress)
	if stopped(stop) {
		return ErrClosed
	}
	return err
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func (s *Store) checkInChild(path string, stop <-chan struct{}) (verdict, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	argv := append(append([]string(nil), s.opt.CheckCommand...), path)
	child, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Files: []*os.File{nil, w, nil}})
	w.Close()
	if err != nil {
		return nil, err
	}
	stall := time.AfterFunc(checkStall, func() { child.Kill() })
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-stop:
			child.Kill()
		case <-ended:
		}
	}()
	said := ""
	for in := bufio.NewScanner(r); in.Scan(); {
		stall.Reset(checkStall)
		said = in.Text()
		if done, total, ok := strings.Cut(strings.TrimPrefix(said, "p "), " "); ok && strings.HasPrefix(said, "p ") && s.opt.CheckProgress != nil {
			d, _ := strconv.ParseInt(done, 10, 64)
			t, _ := strconv.ParseInt(total, 10, 64)
			s.opt.CheckProgress(d, t)
		}
	}
	stalled := !stall.Stop()
	state, err := child.Wait()
	if err != nil {
		return nil, err
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	reason, bad := strings.CutPrefix(said, "bad ")
	switch {
	case stalled:
		return fmt.Errorf("%w: the check made no progress", ErrDamaged), nil
	case said == "ok" && state.Success():
		return nil, nil
	case bad:
		return fmt.Errorf("%w: %s", ErrDamaged, strings.TrimPrefix(reason, ErrDamaged.Error()+": ")), nil
	case status.Signaled() && (status.Signal() == syscall.SIGSEGV || status.Signal() == syscall.SIGBUS), strings.HasPrefix(said, "p ") && state.ExitCode() == 2:
		// 2 is how a Go program ends by a panic or a fault: bbolt could not stand what it read.
		return fmt.Errorf("%w: the check crashed", ErrDamaged), nil
	}
	return nil, fmt.Errorf("check ended with %v", state)
}
