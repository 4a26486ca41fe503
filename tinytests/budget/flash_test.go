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

func TestFlash(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole program for another machine")
	}
	squash, err := exec.LookPath("mksquashfs")
	if err != nil {
		t.Skip("mksquashfs is not installed (squashfs-tools)")
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	build := exec.Command("go", append([]string{"build", "-o", filepath.Join(root, "linnet")}, append(sizeFlags, "linnet/cmd/linnet")...)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=mipsle", "GOMIPS=softfloat", "GOEXPERIMENT=nogreenteagc", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	image := filepath.Join(dir, "image")
	if out, err := exec.Command(squash, root, image, "-comp", "xz", "-b", "256K", "-all-root", "-noappend", "-no-xattrs").CombinedOutput(); err != nil {
		t.Fatalf("mksquashfs: %v\n%s", err, out)
	}
	info, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, find("flash"), info.Size())
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
