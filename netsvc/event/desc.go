package event

import (
	"fmt"
	"strings"
)

// Severity says how soon somebody should look.
type Severity uint8

// The severities.
const (
	Notice   Severity = iota + 1 // worth knowing
	Warning                      // will be a fault unless somebody does something
	Critical                     // something does not work
)

// String names the severity as it stands in a message.
func (s Severity) String() string {
	switch s {
	case Notice:
		return "notice"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	}
	return "none"
}

// FieldKind says what a field holds.
type FieldKind uint8

// The kinds of fields.
const (
	Text   FieldKind = iota // one line
	Number                  // a whole number, which may be negative
	Person                  // an address of somebody: not for the log, nor for networks where others can read
)

// Field is one value that an event carries.
type Field struct {
	Name string // camelCase, as in metric.Desc
	Kind FieldKind
}

// Limits of a declaration.
const (
	maxName   = 32
	maxFields = 6
	maxText   = 200 // bytes of a value
	maxStates = 64  // of one kind: what is beyond is told as a moment is
)

// Desc declares one kind of event. Name is in camelCase, at most 32 letters and digits, unique in the whole
// program; several services may declare the same one if they mean the same.
type Desc struct {
	Name     string
	Severity Severity
	Help     string  // one sentence about what has happened: "The disk is nearly full."
	Fields   []Field // at most six; the first one tells apart what it is about, unless it is a number
	Moment   bool    // over as it happens: nothing to clear
}

// Check says what is wrong with a declaration. A test of netsvc/metric/numbers calls it for what is linked.
func (d *Desc) Check() error {
	switch {
	case !camelCase(d.Name):
		return fmt.Errorf("event %q: the name must be camelCase, 1 to %d letters and digits", d.Name, maxName)
	case d.Severity < Notice || d.Severity > Critical:
		return fmt.Errorf("event %s: severity is missing", d.Name)
	case d.Help == "" || len(d.Fields) > maxFields:
		return fmt.Errorf("event %s: help is missing, or there are more than %d fields", d.Name, maxFields)
	}
	for i, f := range d.Fields {
		if !camelCase(f.Name) || f.Kind > Person {
			return fmt.Errorf("event %s: field %d: the name must be camelCase", d.Name, i)
		}
	}
	return nil
}

func camelCase(s string) bool {
	return s != "" && len(s) <= maxName && s[0] >= 'a' && s[0] <= 'z' && strings.IndexFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9')
	}) < 0
}
