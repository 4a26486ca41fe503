package metric

import (
	"errors"
	"fmt"
)

// Kind says how a metric behaves over time.
type Kind uint8

const (
	KindCounter Kind = iota + 1 // only grows; starts at zero with the program
	KindGauge                   // goes up and down
	KindTime                    // durations: how many, their sum, the longest
	KindInfo                    // a text that seldom changes, such as a version
)

var kindNames = [...]string{KindCounter: "counter", KindGauge: "gauge", KindTime: "time", KindInfo: "info"}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Units that a Desc may name. A metric without unit counts things, and its name says which.
const (
	Bytes   = "bytes"
	Seconds = "seconds" // for a gauge; a Timer is always shown in seconds
	Percent = "percent"
	// Milliseconds are for a counter of time that others count in whole units.
	Milliseconds = "milliseconds"
)

// Limits of a declaration.
const (
	maxName    = 32   // of a name: what SMIv2 tools take as a descriptor without complaint
	maxLabels  = 4    // labels of one table
	maxRows    = 4096 // upper bound of MaxRows
	defaultMax = 64   // MaxRows when a table names none
)

// Desc declares one metric. Name is in camelCase, at most 32 letters and digits, unique in the whole
// program and begins with what it is about: "c2sConnections", "storeBytesWritten". Kind is filled in by
// the method that declares the metric. Labels make it a table of at most MaxRows rows (64 if zero).
type Desc struct {
	Name    string
	Kind    Kind
	Unit    string
	Help    string // one sentence, for the reference and the MIB
	Labels  []string
	MaxRows int
	Rate    bool // of a counter: how much it grew in the last second, minute and hour is shown, too
}

func (d *Desc) check() error {
	switch {
	case !camelCase(d.Name):
		return fmt.Errorf("metric %q: the name must be camelCase, 1 to %d letters and digits", d.Name, maxName)
	case d.Help == "":
		return fmt.Errorf("metric %s: help is missing", d.Name)
	case len(d.Labels) > maxLabels:
		return fmt.Errorf("metric %s: more than %d labels", d.Name, maxLabels)
	case d.Rate && d.Kind != KindCounter:
		return errors.New("metric " + d.Name + ": a rate is that of a counter")
	case d.MaxRows < 0 || d.MaxRows > maxRows:
		return fmt.Errorf("metric %s: MaxRows must be 0 to %d", d.Name, maxRows)
	case len(d.Labels) == 0 && d.MaxRows != 0:
		return errors.New("metric " + d.Name + ": MaxRows without labels")
	}
	for _, label := range d.Labels {
		if !camelCase(label) {
			return fmt.Errorf("metric %s: the label %q must be camelCase", d.Name, label)
		}
	}
	return nil
}

// same tells whether a metric declared again, by a later generation, is still the same one. The help
// text may differ; a cell of another shape under an old name would make its readers lie.
func (d *Desc) same(other *Desc) bool {
	if d.Kind != other.Kind || d.Unit != other.Unit || len(d.Labels) != len(other.Labels) {
		return false
	}
	for i := range d.Labels {
		if d.Labels[i] != other.Labels[i] {
			return false
		}
	}
	return true
}

func camelCase(s string) bool {
	if s == "" || len(s) > maxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return true
}
