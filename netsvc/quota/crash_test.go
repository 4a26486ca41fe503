package quota

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/storetest"
)

const crashFlows = 4

// flows is the child program: it lets bytes flow until it is killed and says after
// each piece how much it was. Its argument is the directory.
func flows(args []string) int {
	s, err := store.Open(store.Options{Dir: args[0], Tables: New().Tables()})
	if err != nil {
		fmt.Println("e", err)
		return 3
	}
	l := New()
	l.Use(unlimited())
	if err := l.Start(context.Background(), s, nil, "box", lookup); err != nil {
		fmt.Println("e", err)
		return 3
	}
	var out sync.Mutex
	for range crashFlows {
		go func() {
			for {
				a, err := l.Open(context.Background(), Flow{Service: "test", From: jid.MustParse("romeo@montague.lit/a"),
					To: jid.MustParse("juliet@capulet.lit/b"), Requester: jid.MustParse("romeo@montague.lit/a")})
				if err != nil {
					out.Lock()
					fmt.Println("e", err)
					out.Unlock()
					return
				}
				d := Direction(rand.IntN(2))
				for range rand.IntN(60) {
					n, err := a.Draw(context.Background(), d, 256<<10)
					if err != nil {
						break
					}
					out.Lock()
					os.Stdout.WriteString("f " + strconv.FormatInt(n, 10) + "\n")
					out.Unlock()
					time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
				}
				a.Close("done")
			}
		}()
	}
	select {}
}

// After kill -9 the ledger is never below what flowed, and above it by at most a
// lease for each flow; the credit has paid for exactly that.
func TestKill(t *testing.T) {
	kills(t, 8, func() storetest.Injection { return storetest.Injection{} })
}

// The same when it dies within a system call by which the store changes its file.
func TestKillWithin(t *testing.T) {
	storetest.NeedStrace(t)
	kills(t, 6, storetest.RandomKill)
}

func kills(t *testing.T, usual int, next func() storetest.Injection) {
	dir := storetest.FastDir(t)
	credit := int64(1) << 50
	s := storetest.OpenWith(t, store.Options{Dir: dir, Tables: New().Tables()})
	if _, err := begin(t, s, unlimited()).TopUp(t.Context(), subject("romeo@montague.lit"), credit); err != nil {
		t.Fatal(err)
	}
	s.Close()
	low, high := int64(0), int64(0) // bounds of what the ledger may say
	for range storetest.Kills(t, usual) {
		in := next()
		flowed := killed(t, dir, in)
		low += flowed
		s := storetest.OpenWith(t, store.Options{Dir: dir, Tables: New().Tables()})
		l := begin(t, s, unlimited())
		got := used(t, l, "romeo@montague.lit")
		sum := got[0] + got[1]
		// Each piece may have been taken and not been said yet.
		high = max(high, low) + crashFlows*(maxLease+256<<10)
		if sum < low || sum > high {
			t.Fatalf("%v: the ledger says %d, between %d and %d flowed", in, sum, low, high)
		}
		low, high = sum, sum
		if other := used(t, l, "juliet@capulet.lit"); other[0] != got[1] || other[1] != got[0] {
			t.Fatalf("romeo %v, juliet %v", got, other)
		}
		if b, _, _ := l.Credit(subject("romeo@montague.lit")); b.Left != credit-sum || b.Leased != 0 {
			t.Fatalf("the balance is %d, want %d", b.Left, credit-sum)
		}
		list, err := l.Entries(0, 0, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		lines := int64(0)
		for _, e := range list {
			lines += e.Out + e.In
		}
		if lines != sum {
			t.Fatalf("the entries add up to %d, the user used %d", lines, sum)
		}
		s.Close()
	}
}

// killed runs the child for a moment and returns how much flowed.
func killed(t *testing.T, dir string, in storetest.Injection) (flowed int64) {
	t.Helper()
	argv := []string{os.Args[0], "quota-flows", dir}
	if in.Call != "" {
		argv = append([]string{"strace", "-f", "-o", "/dev/null", "-e", "trace=" + in.Call, "-e", "inject=" + in.Call + ":signal=SIGKILL:when=" + in.When}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	pieces := 50 + rand.IntN(800)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		verb, text, _ := strings.Cut(lines.Text(), " ")
		if verb == "e" {
			t.Error(text)
		}
		n, _ := strconv.ParseInt(text, 10, 64)
		flowed += n
		if pieces--; pieces == 0 {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has said until now is still read; strace's child, too
		}
	}
	cmd.Wait()
	return flowed
}
