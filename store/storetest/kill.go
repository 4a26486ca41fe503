package storetest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Kills returns how many kills, or rebuilt states, a crash test should make: usual, unless LINNET_KILLS asks for
// another number.
func Kills(t testing.TB, usual int) int {
	v := os.Getenv("LINNET_KILLS")
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("LINNET_KILLS=%s is not a number of kills", v)
	}
	return n
}

// NeedStrace skips the test where strace cannot trace; if LINNET_KILLS is set, the test fails instead.
func NeedStrace(t testing.TB) {
	t.Helper()
	out, err := exec.Command("strace", "-f", "--seccomp-bpf", "-e", "trace=fdatasync", "-o", "/dev/null", "true").CombinedOutput()
	if err == nil {
		return
	}
	reason := fmt.Sprintf("strace is needed to stop a process within a system call, and does not work here: %v %s", err, out)
	if os.Getenv("LINNET_KILLS") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// FastDir returns a directory of the test's in memory, if there is one: for a process that is killed, what the kernel
// has is what the disk has.
func FastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "storetest")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Injection is what strace does to the child: at the When-th call of Call in a thread it is killed, or the call fails.
type Injection struct {
	Call  string // "fdatasync", "pwrite64" …; "" injects nothing
	Error string // "EIO" …; "" kills
	When  string // strace's: "3", "3+", "3..5"
}

func (i Injection) String() string {
	if i.Call == "" {
		return "no injection"
	}
	if i.Error == "" {
		return "kill at " + i.Call + " " + i.When
	}
	return i.Error + " at " + i.Call + " " + i.When
}

// RandomKill returns a kill at some call by which a store changes its files.
func RandomKill() Injection {
	// In proportion to how often each happens, or most kills would be at the first calls.
	switch rand.IntN(10) {
	case 0:
		return Injection{Call: "ftruncate", When: strconv.Itoa(1 + rand.IntN(2))}
	case 1:
		return Injection{Call: "renameat", When: "1"}
	case 2:
		return Injection{Call: "fsync", When: strconv.Itoa(1 + rand.IntN(2))}
	case 3, 4, 5:
		return Injection{Call: "fdatasync", When: strconv.Itoa(1 + rand.IntN(20))}
	}
	return Injection{Call: "pwrite64", When: strconv.Itoa(1 + rand.IntN(100))}
}

// LoadRun is what came of one run of the load.
type LoadRun struct {
	Ready   bool   // the store was opened and verified
	Found   uint64 // last batch found at the open
	Acked   uint64 // last batch acknowledged
	Failed  int    // batches that failed
	Refused string // why the store could not be opened
	Wrong   string // what the child found wrong
	Killed  bool
	Output  string // the last lines
}

// RunLoad runs the load in dir. With killAfter the child is killed that long after it is ready.
func RunLoad(t testing.TB, dir string, layout uint32, batches int, in Injection, killAfter time.Duration) LoadRun {
	t.Helper()
	argv := []string{os.Args[0], LoadProgram, dir, fmt.Sprint(layout), fmt.Sprint(batches), "busy"}
	if in.Call != "" {
		what := "signal=SIGKILL"
		if in.Error != "" {
			what = "error=" + in.Error
		}
		argv = append([]string{"strace", "-f", "-o", "/dev/null", "-e", "trace=" + in.Call,
			"-e", fmt.Sprintf("inject=%s:%s:when=%s", in.Call, what, in.When)}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	// Whatever happens, a stuck child must not hang the test for ever.
	kill := func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // strace's child too
	limit := time.AfterFunc(2*time.Minute, kill)
	defer limit.Stop()
	run := readLoad(out, func() {
		if killAfter > 0 {
			time.AfterFunc(killAfter, kill)
		}
	})
	err = cmd.Wait()
	run.Killed = err != nil && cmd.ProcessState.ExitCode() != 3
	if s := errors.String(); strings.Contains(s, "goroutine ") {
		run.Wrong = "the child crashed: " + s
	}
	if !limit.Stop() {
		run.Wrong = "the child hung\n" + run.Output
	}
	return run
}

func readLoad(out io.Reader, ready func()) (run LoadRun) {
	var lines []string
	for in := bufio.NewScanner(out); in.Scan(); {
		line := in.Text()
		if lines = append(lines, line); len(lines) > 10 {
			lines = lines[1:]
		}
		verb, rest, _ := strings.Cut(line, " ")
		arg, _, _ := strings.Cut(rest, " ")
		n, _ := strconv.ParseUint(arg, 10, 64)
		switch verb {
		case "r":
			run.Ready, run.Found, run.Acked = true, n, n
			ready()
		case "a":
			run.Acked = n
		case "f":
			run.Failed++
		case "o":
			run.Refused = rest
		case "e":
			run.Wrong = rest
		}
	}
	run.Output = strings.Join(lines, "\n")
	return run
}
