package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run of the program.
type bench struct {
	place                string // temporary directory with everything
	servers              []server
	versions             map[string]string
	rounds, clients      int
	warmUp, window       time.Duration // of saturating loads
	paced, idle, settle  time.Duration
	serverCore, loadCore int
	ring                 keyring
	results              results
	failures             []string
	disturbed            int               // saturating runs in which neither the server nor the load was busy
	preparedData         map[string]string // by server and number of accounts
	filledData           map[string]string // by server
	copies               int
	running              atomic.Pointer[process] // the last server started, for the signal handler
	last                 string                  // remark on the last run
	logTail              string                  // the end of what the last server printed
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	b := &bench{
		rounds: 3, clients: 5000, warmUp: 2 * time.Second, window: 6 * time.Second,
		paced: 20 * time.Second, idle: time.Minute, settle: 5 * time.Second,
		versions: map[string]string{}, results: results{}, preparedData: map[string]string{}, filledData: map[string]string{},
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "one round, short runs, 1,000 clients, 10 s of idleness: a first look, not a result")
	only := flags.String("only", "*", "comma-separated patterns of experiments: "+experimentNames())
	names := flags.String("servers", "*", "comma-separated patterns of servers: linnet, prosody, ejabberd, floor")
	rounds := flags.Int("rounds", 0, "rounds, of which the median counts (default 3)")
	clients := flags.Int("clients", 0, "idle clients (default 5000)")
	linnetPath := flags.String("linnet", "", "linnet binary (default: built from this tree)")
	jsonFile := flags.String("json", "", "also write everything as JSON to this file, - for the standard output instead of the table")
	keep := flags.Bool("keep", false, "keep the temporary directory")
	cores := allowedCores()
	flags.IntVar(&b.serverCore, "server-core", cores[0], "core that the servers are pinned to")
	flags.IntVar(&b.loadCore, "load-core", cores[min(1, len(cores)-1)], "core that the load is pinned to")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *quick {
		b.rounds, b.clients, b.warmUp, b.window = 1, 1000, 500*time.Millisecond, 2*time.Second
		b.paced, b.idle, b.settle = 5*time.Second, 10*time.Second, 2*time.Second
	}
	if *rounds > 0 {
		b.rounds = *rounds
	}
	if *clients > 0 {
		b.clients = *clients
	}
	selected, err := choose(experiments, func(e experiment) string { return e.name }, *only)
	if err != nil {
		return err
	}
	b.servers, err = choose(everyServer(*linnetPath), server.name, *names)
	if err != nil {
		return err
	}
	waitForOthers()
	if b.place, err = makePlace(); err != nil {
		return err
	}
	if !*keep {
		defer os.RemoveAll(b.place)
	}
	ctx := b.stopOnSignal()
	if err := b.setUp(); err != nil {
		return err
	}
	b.measure(ctx, selected)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if *jsonFile != "" {
		if err := b.writeJSON(*jsonFile, out); err != nil {
			return err
		}
	}
	if *jsonFile != "-" {
		b.writeTable(out)
	}
	if len(b.failures) > 0 {
		return fmt.Errorf("%d runs failed", len(b.failures))
	}
	return nil
}

func experimentNames() string {
	var names []string
	for _, e := range experiments {
		names = append(names, e.name)
	}
	return strings.Join(names, ", ")
}

// choose returns the things whose name matches one of the patterns. A pattern that matches none is an error.
func choose[T any](all []T, name func(T) string, patterns string) ([]T, error) {
	var chosen []T
	list := strings.Split(patterns, ",")
	used := make([]bool, len(list))
	for _, thing := range all {
		hit := false
		for i, pattern := range list {
			if ok, err := path.Match(strings.TrimSpace(pattern), name(thing)); err != nil {
				return nil, fmt.Errorf("pattern %q: %w", pattern, err)
			} else if ok {
				hit, used[i] = true, true
			}
		}
		if hit {
			chosen = append(chosen, thing)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("nothing is called %q", list[i])
	}
	return chosen, nil
}

// setUp finds the servers and then moves to the load's core.
func (b *bench) setUp() error {
	if err := raiseFileLimit(uint64(b.clients) + 1000); err != nil {
		return err
	}
	if err := makeCertificate(b.place); err != nil {
		return err
	}
	found := b.servers[:0]
	for _, s := range b.servers {
		version, err := s.find(b.place)
		if err != nil {
			say("%s is left out: %v", s.name(), err)
			continue
		}
		b.versions[s.name()] = version
		found = append(found, s)
	}
	if b.servers = found; len(found) == 0 {
		return errors.New("no server to measure")
	}
	if b.loadCore == b.serverCore {
		say("the load and the servers share core %d: figures per CPU second still hold, latencies do not", b.loadCore)
	}
	// A load that allocates little need not collect often, and never more memory than this.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(4 << 30)
	return pinSelf(b.loadCore)
}

// pinSelf moves all threads of this program to one core. New threads inherit the mask of the one that makes them; the
// second pass catches a thread that was being made during the first.
func pinSelf(core int) error {
	var set unix.CPUSet
	set.Set(core)
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("core %d: %w", core, err)
			}
		}
	}
	runtime.GOMAXPROCS(1)
	return nil
}

// measure runs everything, the servers taking turns within a round, so that a machine that slows down hits them alike.
func (b *bench) measure(ctx context.Context, selected []experiment) {
	for round := range b.rounds {
		for _, e := range selected {
			for _, s := range b.servers {
				if slices.Contains(e.skip, s.name()) {
					continue
				}
				b.last, b.logTail = "", ""
				values, err := e.run(b, s)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					if b.logTail != "" {
						say("%s printed: %s", s.name(), b.logTail)
					}
					failure := fmt.Sprintf("%s, %s, round %d: %v", e.name, s.name(), round+1, err)
					b.failures = append(b.failures, failure)
					say("FAILED %s", failure)
					continue
				}
				var texts []string
				for i, value := range values {
					b.results.add(e.rows[i].key, s.name(), value)
					texts = append(texts, e.rows[i].format(value))
				}
				say("%d/%d %-14s %-9s %12s %s  (%s)", round+1, b.rounds, e.name, s.name(), strings.Join(texts, " / "), e.rows[0].unit, b.last)
			}
		}
	}
}

// remark adds a note on the current run to the progress lines.
func (b *bench) remark(format string, args ...any) { b.last = fmt.Sprintf(format, args...) }

// share notes how busy a saturating run kept the two cores. When neither was, something else used them: the figure is per CPU
// second and survives that, but less well, since a process that is pushed aside finds its caches cold and its input in larger heaps.
func (b *bench) share(rate string, wall, server, load time.Duration) {
	serverBusy, loadBusy := 100*server.Seconds()/wall.Seconds(), 100*load.Seconds()/wall.Seconds()
	if max(serverBusy, loadBusy) < 85 {
		b.disturbed++
		rate = "DISTURBED: " + rate
	}
	b.remark("%s, server %.0f %% busy, load %.0f %%", rate, serverBusy, loadBusy)
}

// say reports progress on the standard error, which leaves the table alone.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// stopOnSignal returns a context that ends when the program is interrupted; the running server is stopped then, which ends
// the run that uses it. A second signal kills this program, and with it its children, as they asked the kernel for.
func (b *bench) stopOnSignal() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop()
		if p := b.running.Load(); p != nil {
			p.stop()
		}
	})
	return ctx
}
