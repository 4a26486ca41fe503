package budget

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sizeFlags are the best known for size: no symbols, no DWARF, no inlining (DESIGN.md section 7).
//
// Beside them the older garbage collector: the newer one of Go 1.26 gains most from vector units, which a 24Kc does not
// have, and costs 10 KB of squashfs.
var sizeFlags = []string{"-trimpath", "-ldflags=-s -w", "-gcflags=all=-l"}

// groups are features that have a budget of their own: what they add to the program is not part of the server's.
var groups = map[string][]string{
	"flash gateway": {"turn", "extdisco", "socks5", "bytestreams", "portmap"},
	"flash snmp":    {"snmp", "agentx"},
	"flash watch":   {"watch", "alerts", "statistics"},
}

func TestFlash(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole program for another machine")
	}
	if _, err := exec.LookPath("mksquashfs"); err != nil {
		t.Skip("mksquashfs is not installed (squashfs-tools)")
	}
	var all []string
	for _, names := range groups {
		all = append(all, names...)
	}
	whole := flash(t, nil)
	t.Logf("the whole program takes %d bytes", whole)
	for name, names := range groups {
		judge(t, find(name), whole-flash(t, names))
	}
	judge(t, find("flash"), flash(t, all))
}

// flash returns how much a program without these features takes.
func flash(t *testing.T, without []string) int64 {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	tags := "-tags="
	for _, name := range without {
		tags += "omit_" + name + ","
	}
	build := exec.Command("go", append([]string{"build", "-o", filepath.Join(root, "linnet"), tags}, append(sizeFlags, "linnet/cmd/linnet")...)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=mipsle", "GOMIPS=softfloat", "GOEXPERIMENT=nogreenteagc", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	image := filepath.Join(dir, "image")
	if out, err := exec.Command("mksquashfs", root, image, "-comp", "xz", "-b", "256K", "-all-root", "-noappend", "-no-xattrs").CombinedOutput(); err != nil {
		t.Fatalf("mksquashfs: %v\n%s", err, out)
	}
	info, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// judge compares what was measured with a row.
func judge(t *testing.T, b budget, got int64) {
	t.Helper()
	switch {
	case got > b.must:
		t.Errorf("%s: %d %s, the budget is %d (it was %d on %s): %s", b.name, got, b.unit, b.must, b.seen, b.date, b.why)
	case got > b.aim:
		t.Logf("%s: %d %s of %d; the aim is %d", b.name, got, b.unit, b.must, b.aim)
	default:
		t.Logf("%s: %d %s of %d, within the aim of %d", b.name, got, b.unit, b.must, b.aim)
	}
}
