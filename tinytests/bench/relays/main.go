// Relays measures TURN beside coturn, in one run on one machine.
//
//	go run ./tinytests/bench/relays             median of 3 (some minutes)
//	go run ./tinytests/bench/relays -rounds 1 -only bulk
//
// It takes root, for a network namespace: the server under test stands in it alone, pinned to one core, and clients and
// peers, which are this program, outside of it on another core. coturn is installed with apt-get where it is missing and
// that is allowed, and else left out.
//
// What the figures mean:
//
//   - bulk: relayed packets a CPU second of the server (user and system): 4 flows of 200 bytes in bursts of 16, both ways,
//     30,000 packets a second each way. Clients use channels.
//   - calls: the same for 100 clients, each 50 packets of 200 bytes a second, both ways.
//   - memory: resident bytes that an allocation with one channel adds, of 500.
//
// Figures of a run that lost more than one packet in a hundred are said to be so. Compare ratios: absolute numbers are
// the machine's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// goals of linnet, as parts of coturn's figure.
var goals = map[string]struct {
	must, aim float64
	less      bool // a smaller figure is the better one
	unit      string
}{
	"bulk":   {1.2, 1.4, false, "packets a CPU second"},
	"calls":  {0.9, 1.1, false, "packets a CPU second"},
	"memory": {1.0, 0.75, true, "bytes an allocation"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "relays:", err)
		os.Exit(1)
	}
}

func run() error {
	rounds := flag.Int("rounds", 3, "rounds, of which the median counts")
	only := flag.String("only", "bulk,calls,memory", "what to measure")
	path := flag.String("linnet", "", "linnet binary (default: built from this tree)")
	flag.Parse()
	if runtime.NumCPU() < 2 || os.Getuid() != 0 {
		fmt.Println("relays are left out: two cores are needed, one for the server and one for the load, and root for a network namespace")
		return nil
	}
	place, err := os.MkdirTemp("", "relays")
	if err != nil {
		return err
	}
	defer os.RemoveAll(place)
	if *path == "" {
		*path = place + "/linnet"
		build := exec.Command("go", "build", "-o", *path, "linnet/cmd/linnet")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	n, err := newSpace()
	if err != nil {
		return err
	}
	defer n.remove()
	servers := []*server{linnet(*path, place)}
	if err := findCoturn(); err != nil {
		fmt.Println("coturn is left out:", err)
	} else {
		servers = append(servers, coturn(place))
	}
	var cores unix.CPUSet
	cores.Set(1)
	if err := unix.SchedSetaffinity(0, &cores); err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	missed := false
	for _, what := range strings.Split(*only, ",") {
		figures := map[string][]float64{}
		for range *rounds {
			for _, s := range servers {
				v, note, err := once(n, s, what)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", what, s.name, err)
				}
				fmt.Printf("  %-6s %-6s %9.0f %s\n", what, s.name, v, note)
				figures[s.name] = append(figures[s.name], v)
			}
		}
		missed = !judge(what, median(figures["linnet"]), median(figures["coturn"])) || missed
	}
	if missed {
		return errors.New("a figure was missed")
	}
	return nil
}

func judge(what string, own, other float64) bool {
	g := goals[what]
	ratio, verdict := own/other, "MISSED"
	reaches := func(goal float64) bool { return ratio >= goal && !g.less || ratio <= goal && g.less }
	switch {
	case other == 0:
		verdict = "nothing to compare with"
	case reaches(g.aim):
		verdict = "aim"
	case reaches(g.must):
		verdict = "must"
	}
	fmt.Printf("%s, %s: linnet %.0f, coturn %.0f, ratio %.2f (must %.2f, aim %.2f): %s\n", what, g.unit, own, other, ratio, g.must, g.aim, verdict)
	return verdict != "MISSED"
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// once starts a server, loads it and tells the figure.
func once(n *space, s *server, what string) (figure float64, note string, err error) {
	if err := s.start(n); err != nil {
		return 0, "", err
	}
	defer s.stop()
	switch what {
	case "memory":
		before, err := s.resident()
		if err != nil {
			return 0, "", err
		}
		const count = 500
		flows, err := open(count)
		if err != nil {
			return 0, "", err
		}
		defer closeAll(flows)
		time.Sleep(time.Second)
		after, err := s.resident()
		return float64(after-before) / count, "", err
	case "bulk":
		return s.load(load{flows: 4, burst: 16, rate: 30_000})
	case "calls":
		return s.load(load{flows: 100, burst: 1, rate: 5_000})
	}
	return 0, "", fmt.Errorf("what is %q?", what)
}

// load is what is sent: rate packets a second each way, over all flows.
type load struct {
	flows, burst, rate int
}

func (s *server) load(l load) (figure float64, note string, err error) {
	flows, err := open(l.flows)
	if err != nil {
		return 0, "", err
	}
	defer closeAll(flows)
	l.run(flows, time.Second) // to warm up
	cpu := s.cpu()
	sent, received := l.run(flows, 4*time.Second)
	used := s.cpu() - cpu
	if lost := float64(sent-received) / float64(sent); lost > 0.01 {
		note = fmt.Sprintf("(%.1f %% lost)", lost*100)
	}
	if used == 0 {
		return 0, note, errors.New("no CPU time was used")
	}
	return float64(received) / used.Seconds(), note, nil
}

// run sends for so long, evenly, and counts what came.
func (l load) run(flows []*flow, d time.Duration) (sent, received int) {
	before := 0
	for _, f := range flows {
		before += f.received()
	}
	begin := time.Now()
	each := time.Second * time.Duration(l.burst) / time.Duration(l.rate) // between bursts of one direction
	for i := 0; ; i++ {
		due := begin.Add(time.Duration(i) * each)
		now := time.Now()
		if now.Sub(begin) > d {
			break
		}
		if wait := due.Sub(now); wait > 0 {
			time.Sleep(wait)
		}
		f := flows[i%len(flows)]
		sent += f.up(l.burst) + f.down(l.burst)
	}
	time.Sleep(200 * time.Millisecond)
	for _, f := range flows {
		received += f.received()
	}
	return sent, received - before
}
