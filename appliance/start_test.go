package appliance

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linnet/appliance/firstboot"
	"linnet/netsvc/command"
	"linnet/netsvc/module"
	"linnet/store"
	"linnet/store/table"
)

// What is wrong with the data directory comes with what to do about it.
func TestStartWithoutDirectory(t *testing.T) {
	newer := table.New(firstboot.Table().Name, table.None, table.Layout(99, nil))
	for _, tc := range []struct {
		name    string
		prepare func(t *testing.T, data string)
		want    string
	}{
		{"a file", func(t *testing.T, data string) { garbage(t, data, 0) }, "name another with -data"},
		{"below a file", func(t *testing.T, data string) { garbage(t, filepath.Dir(data), 0) }, "name another with -data"},
		{"in use", func(t *testing.T, data string) {
			s := stored(t, data, firstboot.Table())
			t.Cleanup(func() { _ = s.Close() })
		}, "stop that one first, or name another with -data"},
		{"damaged", func(t *testing.T, data string) { garbage(t, filepath.Join(data, store.MainFile), 8<<10) }, "begin with nothing by -set store.start_empty=true"},
		{"newer", func(t *testing.T, data string) { _ = stored(t, data, newer).Close() }, "put a backup of this one in its place"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "above", "data")
			tc.prepare(t, data)
			a, err := New(Options{Data: data, Set: []string{"domain=example.org"}, Services: []module.Info{greeterInfo("alpha")}})
			if err == nil {
				err = a.Start(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), "the data directory "+data+" cannot be used") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want the advice %q", err, tc.want)
			}
		})
	}
}

// garbage makes a file that is nothing.
func garbage(t *testing.T, path string, size int) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, bytes.Repeat([]byte{7}, size), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, dir string, tables ...*table.Table) *store.Store {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Options{Dir: dir, Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRestore(t *testing.T) {
	dir := t.TempDir()
	bad, busy := filepath.Join(dir, "bad"), filepath.Join(dir, "busy")
	garbage(t, bad, 8<<10)
	s := stored(t, busy, firstboot.Table())
	good := filepath.Join(dir, "good")
	f, err := os.Create(good)
	if err == nil {
		err = s.Backup(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	defer s.Close()
	old := filepath.Join(dir, "old")
	_ = stored(t, old, firstboot.Table()).Close()
	for _, tc := range []struct{ name, data, file, want string }{
		{"good", filepath.Join(dir, "new"), good, ""},
		{"in the place of another", old, good, ""},
		{"no backup", filepath.Join(dir, "new"), bad, bad + " is damaged, or no backup"},
		{"no file", filepath.Join(dir, "new"), bad + "x", "open " + bad + "x: no such file"},
		{"in use", busy, good, "stop that one first"},
		{"no directory", bad, good, "there is a file where the directory should be"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			aside, err := Restore(tc.data, tc.file)
			if (aside != "") != (tc.data == old) {
				t.Errorf("set aside is %q", aside)
			}
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// A program that is told to end while it starts ends in order, and shows the password that it made.
func TestRunEndsAfterItsStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	a, err := New(Options{Data: t.TempDir(), Set: []string{"domain=example.org", "account.iterations=4096"}, Services: services(), Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(ctx); err != nil {
		t.Errorf("Run returns %v", err)
	}
	if line(out.String(), "password") == "" {
		t.Errorf("it says %s", out.String())
	}
}

// A signal to reload is not lost because the start, or another reload, is under way.
func TestHangupWaits(t *testing.T) {
	n := startNode(t, "[alpha]\nword = 'one'")
	n.work.Lock()
	done := make(chan struct{})
	go func() {
		n.Hangup()
		close(done)
	}()
	select {
	case <-done:
		t.Error("it does not wait")
	case <-time.After(20 * time.Millisecond): // enough to see it fail
	}
	n.write("[alpha]\nword = 'two'")
	n.work.Unlock()
	<-done
	if got := greeting(t, n.addr("alpha greet")); got != "two from alpha" {
		t.Errorf("afterwards greeted with %q", got)
	}
}

// While the clock is unset much of what an operator expects does not happen.
func TestClockUnset(t *testing.T) {
	for _, built := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		var out bytes.Buffer
		a, err := New(Options{Data: t.TempDir(), Set: []string{"domain=example.org"}, Services: []module.Info{greeterInfo("alpha")}, Out: &out, Built: built})
		if err == nil {
			err = a.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		status, err := a.Commands().Run(t.Context(), command.Caller{Name: "test", Role: command.Admin, Local: true, Via: "test"}, "status", nil)
		if err != nil {
			t.Fatal(err)
		}
		unset := built.After(time.Now())
		if told := strings.Contains(line(out.String(), "note"), "the clock is not set"); told != unset {
			t.Errorf("built %v: it says %s", built, out.String())
		}
		if told := strings.Contains(string(status.AppendTable(nil, "", "")), "is not set"); told != unset {
			t.Errorf("built %v: the status is %s", built, status.AppendTable(nil, "", ""))
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The users of a domain do not lose it by a reload.
func TestReloadKeepsDomains(t *testing.T) {
	file := filepath.Join(t.TempDir(), "linnet.toml")
	configure := func(domains string) {
		if err := os.WriteFile(file, []byte("domains = "+domains), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure(`["a.example", "b.example"]`)
	a, err := New(Options{Config: file, Data: t.TempDir(), Services: []module.Info{greeterInfo("alpha")}})
	if err == nil {
		err = a.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	configure(`["a.example", "c.example"]`)
	if err := a.Reload(); err == nil || !strings.Contains(err.Error(), "removing b.example needs a restart") {
		t.Errorf("a domain goes: %v", err)
	}
	configure(`["a.example", "b.example", "c.example"]`)
	if err := a.Reload(); err != nil || len(a.Site().Domains) != 3 {
		t.Errorf("a domain comes: %v, %q", err, a.Site().Domains)
	}
}
