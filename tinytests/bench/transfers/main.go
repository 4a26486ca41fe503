// Transfers measures the proxy for file transfers beside dante, in one run on one machine.
//
//	go run ./tinytests/bench/transfers             median of 3 (some minutes)
//	go run ./tinytests/bench/transfers -rounds 1 -only cpu
//
// Each server runs alone, pinned to one core; the load runs on another one. dante is installed with apt-get where it is
// missing and that is allowed, and else left out. It relays a SOCKS connection to a sink of the load, as linnet relays
// between two of the load's connections: the same bytes, through the same two sockets.
//
// What the figures mean:
//
//   - cpu: the server's CPU seconds (user and system, all its processes) for 10^9 bytes, moved one way by 1 stream and by
//     8 streams for 4 s after 1 s of warming up. The ledger counts every byte meanwhile.
//   - fair: 100 transfers at once for 10 s; Jain's index of the bytes that each moved, (Σx)²/(n·Σx²), 1 when all are equal.
//     None may fail.
//   - tunnel: growth of the server's memory (proportional set size, all its processes) per transfer, with 200 that move
//     one byte and then nothing.
//   - stalled: 100 transfers to receivers that do not read, while the server is in a control group with 64 MB of memory.
//     Nothing may be killed, and another transfer must still get through. Needs root.
//
// Compare ratios: absolute numbers are the machine's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "transfers:", err)
		os.Exit(1)
	}
}

// goals of linnet, as parts of dante's figure or as numbers.
const (
	mustCPU, aimCPU = 0.6, 0.5
	mustFair        = 0.95
)

func run() error {
	rounds := flag.Int("rounds", 3, "rounds, of which the median counts")
	only := flag.String("only", "cpu,fair,tunnel,stalled", "what to measure")
	path := flag.String("linnet", "", "linnet binary (default: built from this tree)")
	flag.Parse()
	if runtime.NumCPU() < 2 {
		return errors.New("two cores are needed, one for the server and one for the load")
	}
	place, err := os.MkdirTemp("", "transfers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(place)
	if err := raiseFileLimit(4096); err != nil {
		return err
	}
	l := &linnet{path: *path, place: place}
	if err := l.find(); err != nil {
		return err
	}
	servers := []relay{l}
	if d, err := findDante(place); err != nil {
		say("dante is left out: %v", err)
	} else {
		servers = append(servers, d)
	}
	runtime.GOMAXPROCS(1)
	if err := pin(1); err != nil {
		return err
	}
	wanted := strings.Split(*only, ",")
	failed := false
	if slices.Contains(wanted, "cpu") {
		for _, streams := range []int{1, 8} {
			failed = !measureCPU(servers, streams, *rounds) || failed
		}
	}
	if slices.Contains(wanted, "fair") {
		failed = !measureFair(servers, *rounds) || failed
	}
	if slices.Contains(wanted, "tunnel") {
		failed = !measureTunnel(servers) || failed
	}
	if slices.Contains(wanted, "stalled") {
		switch err := measureStalled(l); {
		case errors.Is(err, errNoGroup):
			say("stalled is left out: %v", err)
		case err != nil:
			say("stalled: MISSED: %v", err)
			failed = true
		}
	}
	if failed {
		return errors.New("a figure was missed, or could not be measured")
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func measureCPU(servers []relay, streams, rounds int) (ok bool) {
	figures := map[string][]float64{}
	for range rounds {
		for _, s := range servers {
			v, rate, err := cpuOnce(s, streams)
			if err != nil {
				say("cpu, %d streams, %s: %v", streams, s.name(), err)
				return false
			}
			say("  cpu, %d streams: %-7s %.3f s/GB at %.0f MB/s", streams, s.name(), v, rate/1e6)
			figures[s.name()] = append(figures[s.name()], v)
		}
	}
	own, other := median(figures["linnet"]), median(figures["dante"])
	ratio, verdict := own/other, "MISSED"
	switch {
	case len(figures["dante"]) == 0:
		verdict = "nothing to compare with"
	case ratio <= aimCPU:
		verdict = "aim"
	case ratio <= mustCPU:
		verdict = "must"
	}
	say("CPU seconds per GB, %d streams: linnet %.3f, dante %.3f, ratio %.2f (must %.1f, aim %.1f): %s", streams, own, other, ratio, mustCPU, aimCPU, verdict)
	return verdict != "MISSED"
}

// cpuOnce measures one server; rate is in bytes a second.
func cpuOnce(s relay, streams int) (perGB, rate float64, err error) {
	if err := s.start(); err != nil {
		return 0, 0, err
	}
	defer s.stop()
	load, err := open(s, streams)
	if err != nil {
		return 0, 0, err
	}
	defer load.close()
	load.begin()
	time.Sleep(time.Second)
	before, moved := s.cpu(), load.moved()
	begin := time.Now()
	time.Sleep(4 * time.Second)
	used, bytes := s.cpu()-before, sum(load.moved())-sum(moved)
	if err := load.failure(); err != nil {
		return 0, 0, err
	}
	return used.Seconds() / (bytes / 1e9), bytes / time.Since(begin).Seconds(), nil
}

func measureFair(servers []relay, rounds int) (ok bool) {
	ok = true
	for _, s := range servers {
		var figures []float64
		for range rounds {
			v, err := fairOnce(s)
			if err != nil {
				say("fair, %s: %v", s.name(), err)
				return false
			}
			figures = append(figures, v)
		}
		v, verdict := median(figures), ""
		if s.name() == "linnet" {
			verdict = ": must"
			if v < mustFair {
				verdict, ok = ": MISSED", false
			}
		}
		say("Jain's index of 100 transfers: %s %.4f (must %.2f)%s", s.name(), v, mustFair, verdict)
	}
	return ok
}

func fairOnce(s relay) (float64, error) {
	if err := s.start(); err != nil {
		return 0, err
	}
	defer s.stop()
	load, err := open(s, 100)
	if err != nil {
		return 0, err
	}
	defer load.close()
	load.begin()
	time.Sleep(time.Second)
	before := load.moved()
	time.Sleep(10 * time.Second)
	after := load.moved()
	if err := load.failure(); err != nil {
		return 0, err
	}
	total, squares := 0.0, 0.0
	for i := range after {
		x := after[i] - before[i]
		total += x
		squares += x * x
	}
	say("  fair: %-7s %.0f MB/s in all", s.name(), total/10/1e6)
	return total * total / (float64(len(after)) * squares), nil
}

func measureTunnel(servers []relay) (ok bool) {
	const tunnels = 200
	for _, s := range servers {
		if err := s.start(); err != nil {
			say("tunnel, %s: %v", s.name(), err)
			return false
		}
		time.Sleep(2 * time.Second)
		before := s.memory()
		load, err := open(s, tunnels)
		if err == nil {
			err = load.once()
		}
		if err != nil {
			say("tunnel, %s: %v", s.name(), err)
			s.stop()
			return false
		}
		time.Sleep(2 * time.Second)
		say("memory per idle tunnel: %s %.1f KB (%.1f MB for %d)", s.name(), float64(s.memory()-before)/tunnels/1e3, float64(s.memory())/1e6, tunnels)
		load.close()
		s.stop()
	}
	return true
}

// measureStalled lets 100 receivers not read while the server has 64 MB.
func measureStalled(l *linnet) error {
	group, err := newGroup("linnet-transfers", 64<<20)
	if err != nil {
		return err
	}
	defer group.remove()
	l.group = group
	defer func() { l.group = nil }()
	if err := l.start(); err != nil {
		return err
	}
	defer l.stop()
	load, err := open(l, 100)
	if err != nil {
		return err
	}
	defer load.close()
	load.stall()
	load.begin()
	// Until every sender stands still.
	for last := -1.0; ; time.Sleep(2 * time.Second) {
		sent := sum(load.sent())
		if sent == last {
			break
		}
		last = sent
	}
	say("  stalled: %.1f MB are under way in 100 transfers; %s", sum(load.sent())/1e6, group.usage())
	if err := load.failure(); err != nil {
		return err
	}
	another, err := open(l, 1)
	if err != nil {
		return fmt.Errorf("no transfer beside them: %w", err)
	}
	defer another.close()
	another.begin()
	time.Sleep(2 * time.Second)
	if n := sum(another.moved()); n < 1e6 {
		return fmt.Errorf("a transfer beside them moved %.0f bytes", n)
	}
	load.resume()
	time.Sleep(2 * time.Second)
	for i, n := range load.moved() {
		if n == 0 {
			return fmt.Errorf("transfer %d does not go on", i)
		}
	}
	if err := errors.Join(load.failure(), l.alive()); err != nil {
		return err
	}
	say("100 stalled receivers with 64 MB: nothing was killed, all went on: must; %s", group.usage())
	return nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// pin moves all threads of this program to one core. New threads inherit the mask of the one that makes them; the second
// pass catches a thread that was being made during the first.
func pin(core int) error {
	var set unix.CPUSet
	set.Set(core)
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err == nil {
				err = unix.SchedSetaffinity(id, &set)
			}
			if err != nil && err != unix.ESRCH {
				return fmt.Errorf("core %d: %w", core, err)
			}
		}
	}
	return nil
}

// startOn starts cmd so that it and all its threads and children run on one core: a child inherits the mask of the thread
// that forks it.
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
	return cmd.Start()
}

func raiseFileLimit(n uint64) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Cur >= n {
		return err
	}
	r.Cur = min(max(n, r.Cur), max(r.Max, r.Cur))
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &r)
}
