package numbers

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "append to testdata/fixed.txt; it changes no line that is there")

// lines renders the tables, a line for each row.
func lines() (list []string) {
	for i, r := range Metrics {
		list = append(list, fmt.Sprintf("metric %d %s %s", i+1, r.Name, r.Syntax))
	}
	for i, name := range Events {
		list = append(list, fmt.Sprintf("event %d %s", i+1, name))
	}
	for i, r := range Fields {
		list = append(list, fmt.Sprintf("field %d %s %s", i+1, r.Name, r.Syntax))
	}
	return list
}

// TestFixed holds the tables to what was fixed before: nothing has moved, changed or gone.
func TestFixed(t *testing.T) {
	const file = "testdata/fixed.txt"
	b, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	now := make(map[string]bool)
	for _, line := range lines() {
		now[line] = true
	}
	fixed := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		fixed[line] = true
		if !now[line] {
			t.Errorf("%q was fixed and is not in the tables any more", line)
		}
	}
	for _, line := range lines() {
		if fixed[line] {
			continue
		}
		if !*update {
			t.Errorf("%q is new: run this test with -update", line)
		}
		b = append(b, line+"\n"...)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, line := range lines() {
		words := strings.Fields(line)
		key := words[0] + " " + words[2]
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
}

func TestFind(t *testing.T) {
	if n, s := Metric("uptime"); n != 2 || s != Gauge32 {
		t.Errorf("uptime: %d %v", n, s)
	}
	if n, s := Metric("nothing"); n != 0 || s != 0 {
		t.Errorf("nothing: %d %v", n, s)
	}
	if Event("nothing") != 0 {
		t.Error("an event that is none has a number")
	}
	for i, name := range Events {
		if Event(name) != uint32(i)+1 {
			t.Errorf("%s: %d", name, Event(name))
		}
	}
	for i, r := range Fields {
		if n, s := Field(r.Name); n != uint32(i)+1 || s != r.Syntax {
			t.Errorf("%s: %d %v", r.Name, n, s)
		}
	}
}
