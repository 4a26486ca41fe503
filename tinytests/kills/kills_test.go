package kills

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"linnet/store/storetest"
)

// program is the built program, and made the files that every stage begins with.
var program, made string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp(fast(), "kills")
	if err == nil {
		defer os.RemoveAll(dir)
		program, made = filepath.Join(dir, "linnet"), filepath.Join(dir, "template")
		if p := os.Getenv("LINNET_PROGRAM"); p != "" {
			program = p
		} else if out, e := exec.Command("go", "build", "-o", program, "linnet/cmd/linnet").CombinedOutput(); e != nil {
			err = fmt.Errorf("%w\n%s", e, out)
		}
	}
	if err == nil {
		err = os.Mkdir(made, 0o700)
	}
	if err == nil {
		err = template(program, made)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// fast is a directory in memory, if there is one: what the kernel has of a process that is killed, it keeps.
func fast() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return ""
}

// scale is how long one stage is used, and how many are at work at a time.
const (
	lives = 40
	side  = 3
)

// stages makes kills on several stages at a time, each by one call of act, which reports whether it made one.
func stages(t *testing.T, kills int, can resumable, act func(s *stage) (killed bool, err error)) {
	var (
		mu    sync.Mutex
		left  = kills
		total counts
		all   sync.WaitGroup
		begin = time.Now()
	)
	for range side {
		all.Go(func() {
			for round := 0; ; round++ {
				mu.Lock()
				done := left <= 0 || t.Failed()
				mu.Unlock()
				if done {
					return
				}
				s, err := newStage(program, made, t.TempDir())
				if err != nil {
					t.Error(err)
					return
				}
				for life := 0; life < lives; life++ {
					mu.Lock()
					done := left <= 0
					left--
					mu.Unlock()
					if done {
						break
					}
					killed, err := act(s)
					if err != nil {
						t.Error(err)
						return
					}
					if !killed {
						mu.Lock()
						left++
						mu.Unlock()
					}
				}
				if err := s.last(can); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				total.add(s.book.tally())
				mu.Unlock()
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	t.Logf("%d kills in %v, %.1f/s: %v", kills, took.Round(time.Millisecond), float64(kills)/took.Seconds(), total)
}

// commitEvery is a pace of commits; boards have a slow one.
func commitEvery() time.Duration {
	return []time.Duration{0, 0, 5 * time.Millisecond, 60 * time.Millisecond}[rand.IntN(4)]
}

func talk() time.Duration { return time.Duration(10+rand.IntN(140)) * time.Millisecond }

func kill(n *node) error {
	n.kill()
	return nil
}

// crash is a life that ends with a kill.
func crash(s *stage, in storetest.Injection) (bool, error) {
	err := s.act(in, commitEvery(), talk(), mustNot, kill)
	s.book.crash()
	return true, err
}

func TestKilledUnderLoad(t *testing.T) {
	stages(t, storetest.Kills(t, 6), mustNot, func(s *stage) (bool, error) { return crash(s, storetest.Injection{}) })
}

func TestKilledAtASystemCall(t *testing.T) {
	storetest.NeedStrace(t)
	stages(t, storetest.Kills(t, 6), mustNot, func(s *stage) (bool, error) { return crash(s, storetest.RandomKill()) })
}

func TestStoppedUnderLoad(t *testing.T) {
	stages(t, storetest.Kills(t, 4), must, func(s *stage) (bool, error) {
		return true, s.act(storetest.Injection{}, commitEvery(), talk(), must, (*node).stop)
	})
}

func TestKilledWhileItStops(t *testing.T) {
	stages(t, storetest.Kills(t, 4), may, func(s *stage) (bool, error) {
		err := s.act(storetest.Injection{}, commitEvery(), talk(), may, func(n *node) error {
			n.signal(syscall.SIGTERM)
			time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
			n.kill()
			return nil
		})
		s.book.crash()
		return true, err
	})
}
