package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// addresses are where a server takes clients: plain without TLS, tls with STARTTLS. They may be the same.
type addresses struct{ plain, tls string }

// process is a server under measurement, pinned to its core.
type process struct {
	name    string
	cmd     *exec.Cmd
	at      addresses
	log     string        // file with its output
	data    string        // directory to remove when it has ended, if any
	exited  chan struct{} // closed when it has ended
	started time.Duration // from the exec to the first stream features
}

// startProcess starts cmd on the given core with its output in a log file, and waits until it serves.
func startProcess(name string, cmd *exec.Cmd, at addresses, log string, core int) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	p := &process{name: name, cmd: cmd, at: at, log: log, exited: make(chan struct{})}
	begin := time.Now()
	if err := startOn(cmd, core); err != nil {
		return nil, err
	}
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	for deadline := begin.Add(60 * time.Second); ; time.Sleep(500 * time.Microsecond) {
		if answers(at.plain) {
			p.started = time.Since(begin)
			return p, nil
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended at its start: %s", name, p.tail())
		default:
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("%s does not serve: %s", name, p.tail())
		}
	}
}

// startOn starts cmd so that it and all its threads run on one core: a child inherits the mask of the thread that forks it.
func startOn(cmd *exec.Cmd, core int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	only.Set(core)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("core %d: %w", core, err)
	}
	defer unix.SchedSetaffinity(0, &before)
	// Should this program be killed, its servers end too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return cmd.Start()
}

// answers tells whether a stream header is answered with features.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	c := &client{wire: &wire{Conn: conn}}
	c.stream = c.wire
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = c.open()
	return err == nil
}

// cpu returns the processor time of the process so far, user and system, of all its threads, the ended ones too.
// It is the kernel's process clock: the same as utime+stime of /proc/PID/stat, in nanoseconds instead of ticks.
func (p *process) cpu() (time.Duration, error) {
	const processSchedClock = 2 // CPUCLOCK_SCHED; the pid stands inverted above three bits
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|processSchedClock), &t); err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.name, err)
	}
	return time.Duration(t.Nano()), nil
}

// ownCPU returns the load's own processor time so far.
func ownCPU() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

// rss returns the resident memory in bytes. smaps_rollup counts page tables; VmRSS in status is a sum of per-CPU counters
// that may be some dozen pages behind, and is used where the kernel has no smaps_rollup.
func (p *process) rss() (int64, error) {
	dir := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	for _, source := range []struct{ file, field string }{{"/smaps_rollup", "Rss:"}, {"/status", "VmRSS:"}} {
		text, err := os.ReadFile(dir + source.file)
		if err != nil {
			continue
		}
		if kib, ok := kibibytes(text, source.field); ok {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no resident size of %s in %s", p.name, dir)
}

// kibibytes finds a line "Field:  123 kB".
func kibibytes(text []byte, field string) (int64, bool) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 3 && words[0] == field && words[2] == "kB" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// stop asks the server to end, and kills it (this process alone) when it takes longer than 20 seconds.
func (p *process) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
		return errors.New(p.name + " did not end when asked to")
	}
}

// tail returns the end of the log, for error messages.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	return string(bytes.TrimSpace(text[max(0, len(text)-1500):]))
}

// freeAddress returns a loopback address whose port nobody listens at now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// port returns the port of host:port.
func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
