package storetest

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// recorded are the system calls by which a store changes its directory. splice and its kin would escape the recorder;
// they are traced so that their use is noticed.
const recorded = "openat,pwrite64,write,ftruncate,fdatasync,fsync,renameat,unlinkat,copy_file_range,sendfile,splice"

type eventKind uint8

const (
	eventWrite    eventKind = iota // data at offset of a file
	eventTruncate                  // a file to offset bytes
	eventSync                      // of a file: what was written to it is on the disk
	eventCreate                    // an empty file
	eventRename                    // of a name to other
	eventRemove                    // of a name
	eventSyncDir                   // the names are on the disk
	eventSay                       // a line on standard output: data
)

// event is one change, or one line said, in the order in which they happened.
type event struct {
	kind        eventKind
	name, other string // within the directory
	offset      int64
	data        []byte
}

// Recording is what a child did to its directory.
type Recording struct {
	events []event
}

// RecordLoad runs the load for some batches in a new directory and records it.
func RecordLoad(t testing.TB, batches int) *Recording {
	t.Helper()
	dir := FastDir(t)
	path := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-e", "trace="+recorded, "-e", "signal=none",
		"-o", path, os.Args[0], LoadProgram, dir, "1", fmt.Sprint(batches), "busy")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "\ne ") {
		t.Fatalf("recorded load: %v\n%s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := parseTrace(f, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)`)
	resultPart  = regexp.MustCompile(`\) += (-?\d+)[^"]*$`)
	stringArg   = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
	fdArg       = regexp.MustCompile(`^(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>`)
)

// unhex reads strace's \x01\x02.
func unhex(s string) []byte {
	b, _ := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	return b
}

// call is one system call of the trace.
type call struct {
	name    string
	fd      int
	path    string // of the descriptor
	strings [][]byte
	args    string // with the strings cut out
}

// parseTrace reads what strace wrote. A write counts from its beginning on, a sync from its end.
func parseTrace(in io.Reader, dir string) (*Recording, error) {
	r := &Recording{}
	offsets := make(map[string]int64)     // of plain writes, by path
	unfinished := make(map[string]string) // by thread: the arguments of a call that another line completes
	buf := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := buf.ReadString('\n')
		if err == io.EOF {
			return r, nil
		} else if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\n")
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			args := unfinished[m[1]]
			delete(unfinished, m[1])
			if m[3] != "-1" && isSync(m[2]) {
				err = r.add(parseCall(m[2], args), dir, offsets)
			}
		} else if m := callLine.FindStringSubmatch(line); m != nil {
			result := resultPart.FindStringSubmatch(line)
			pending := strings.Contains(line, "<unfinished ...>")
			if pending {
				unfinished[m[1]] = m[3]
			}
			if (pending && !isSync(m[2])) || (result != nil && result[1] != "-1") {
				err = r.add(parseCall(m[2], m[3]), dir, offsets)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

func isSync(call string) bool { return call == "fdatasync" || call == "fsync" }

func parseCall(name, args string) call {
	c := call{name: name, fd: -1}
	if m := fdArg.FindStringSubmatch(args); m != nil {
		c.fd, _ = strconv.Atoi(m[1])
		c.path = string(unhex(m[2]))
	}
	for _, m := range stringArg.FindAllStringSubmatch(args, -1) {
		c.strings = append(c.strings, unhex(m[1]))
	}
	c.args = stringArg.ReplaceAllString(args, "S")
	return c
}

var (
	pwriteArgs   = regexp.MustCompile(`S, \d+, (\d+)`)
	truncateArgs = regexp.MustCompile(`>, (\d+)`)
)

func (r *Recording) add(c call, dir string, offsets map[string]int64) error {
	if c.name == "write" && c.fd == 1 && len(c.strings) == 1 {
		r.events = append(r.events, event{kind: eventSay, data: c.strings[0]})
		return nil
	}
	within := func(path string) (string, bool) { return strings.CutPrefix(path, dir+"/") }
	name, ours := within(c.path)
	number := func(re *regexp.Regexp) int64 {
		m := re.FindStringSubmatch(c.args)
		if m == nil {
			return -1
		}
		n, _ := strconv.ParseInt(m[1], 10, 64)
		return n
	}
	e := event{name: name}
	switch c.name {
	case "openat":
		path, in := within(string(c.strings[0]))
		if !in || !strings.Contains(c.args, "O_CREAT") {
			return nil
		}
		offsets[path] = 0
		// O_CREAT alone opens a file that is there; the state knows.
		e.kind, e.name = eventCreate, path
		e.offset = -1
		if strings.Contains(c.args, "O_TRUNC") {
			e.offset = 0
		}
		r.events = append(r.events, e)
		return nil
	case "renameat":
		from, in := within(string(c.strings[0]))
		if in {
			e.kind, e.name = eventRename, from
			e.other, _ = within(string(c.strings[1]))
			r.events = append(r.events, e)
		}
		return nil
	case "unlinkat":
		if path, in := within(string(c.strings[0])); in {
			r.events = append(r.events, event{kind: eventRemove, name: path})
		}
		return nil
	case "fsync", "fdatasync":
		if c.path == dir {
			r.events = append(r.events, event{kind: eventSyncDir})
		} else if ours {
			r.events = append(r.events, event{kind: eventSync, name: name})
		}
		return nil
	}
	if !ours {
		return nil
	}
	switch c.name {
	case "pwrite64":
		e.kind, e.offset, e.data = eventWrite, number(pwriteArgs), c.strings[0]
	case "write":
		e.kind, e.offset, e.data = eventWrite, offsets[name], c.strings[0]
		offsets[name] += int64(len(e.data))
	case "ftruncate":
		e.kind, e.offset = eventTruncate, number(truncateArgs)
	default:
		return fmt.Errorf("the recorder does not understand %s of %s", c.name, name)
	}
	if e.offset < 0 {
		return fmt.Errorf("the recorder does not understand %s(%s)", c.name, c.args)
	}
	r.events = append(r.events, e)
	return nil
}
