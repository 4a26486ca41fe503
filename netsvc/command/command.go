package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"linnet/netsvc/wire/jid"
)

// Role is what a caller may do; a higher one includes the lower.
type Role uint8

const (
	User     Role = iota + 1 // anybody with an account, about that account
	Operator                 // may look at everything and disturb nothing for long
	Admin                    // may do everything
)

func (r Role) String() string {
	switch r {
	case User:
		return "user"
	case Operator:
		return "operator"
	case Admin:
		return "admin"
	}
	return "none"
}

// Effect says what a run leaves behind; surfaces ask before what cannot be undone.
type Effect uint8

const (
	Read   Effect = iota + 1 // changes nothing
	Change                   // changes something that can be changed back
	Danger                   // deletes or interrupts: asked for twice where somebody can answer
)

func (e Effect) String() string {
	switch e {
	case Read:
		return "read"
	case Change:
		return "change"
	case Danger:
		return "danger"
	}
	return "none"
}

// Kind is the type of an argument or of a value in a result.
type Kind uint8

const (
	Text     Kind = iota + 1
	Lines         // several texts: text-multi of a form
	JID           // one address
	JIDs          // several addresses
	Password      // never shown, logged or echoed; an address beside it is that of an account
	Bool          // true or false
	Int           // a whole number
	Enum          // one of Choices
	Duration      // as time.ParseDuration reads it
	Path          // a file on this machine: only callers on this machine may name one
	Bytes         // of a result: a number, shown with a unit
	Time          // of a result: RFC 3339 in UTC
)

var kindNames = [...]string{Text: "text", Lines: "texts", JID: "jid", JIDs: "jids", Password: "password",
	Bool: "bool", Int: "number", Enum: "choice", Duration: "duration", Path: "file", Bytes: "bytes", Time: "time"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// many tells whether the kind takes more than one value.
func (k Kind) many() bool { return k == Lines || k == JIDs }

// Arg declares one argument. Name is lower-case and is what `linnet ctl` takes as a flag; Var is the name
// of the form field where a specification fixes one (XEP-0133), otherwise Name is used.
type Arg struct {
	Name     string
	Kind     Kind
	Required bool
	Help     string
	Var      string
	Choices  []string // of an Enum
	Default  string   // used when the caller leaves it out
}

// Field returns the name that the argument has in a form.
func (a *Arg) Field() string {
	if a.Var != "" {
		return a.Var
	}
	return a.Name
}

// Command is one thing that an operator can do. Name is one to three lower-case words: "user add". Node is
// the node of its ad-hoc form, where a specification fixes one.
type Command struct {
	Name   string
	Node   string
	Args   []Arg
	Effect Effect
	Role   Role   // the least that may run it
	Help   string // one sentence, then optionally an empty line and more
	Local  bool   // only for callers on this machine
	Remote bool   // only for the others: the command line has a shorter way to the same

	// Run does it. It may be called by any goroutine, many at once, from Start to Stop. An error made by
	// Fail is shown to the caller; of any other one the caller sees that it failed and the log the cause.
	// A nil Result means done, without anything to say.
	Run func(ctx context.Context, call *Call) (*Result, error)
}

// Summary returns the first sentence of Help.
func (c *Command) Summary() string {
	line, _, _ := strings.Cut(c.Help, "\n")
	return line
}

// Arg returns the argument of that name, nil if there is none.
func (c *Command) Arg(name string) *Arg {
	for i := range c.Args {
		if c.Args[i].Name == name {
			return &c.Args[i]
		}
	}
	return nil
}

// check tells what is wrong with the declaration.
func (c *Command) check() error {
	words := strings.Fields(c.Name)
	if len(words) == 0 || len(words) > 3 || strings.Join(words, " ") != c.Name {
		return fmt.Errorf("command %q: the name must be one to three words", c.Name)
	}
	for _, w := range words {
		if !plain(w) {
			return fmt.Errorf("command %q: the name must be small letters, digits and -", c.Name)
		}
	}
	if c.Help == "" || c.Run == nil || c.Effect == 0 || c.Role == 0 {
		return fmt.Errorf("command %s: help, run, effect and role must be set", c.Name)
	}
	for i := range c.Args {
		a := &c.Args[i]
		switch {
		case !plain(a.Name):
			return fmt.Errorf("command %s: argument %q: the name must be small letters, digits and -", c.Name, a.Name)
		case slices.Contains(reserved, a.Name):
			return fmt.Errorf("command %s: the name of argument %s is taken by the command line", c.Name, a.Name)
		case c.Arg(a.Name) != a:
			return fmt.Errorf("command %s: argument %s is declared twice", c.Name, a.Name)
		case a.Kind < Text || a.Kind > Path:
			return fmt.Errorf("command %s: argument %s: not a kind of argument", c.Name, a.Name)
		case a.Kind == Enum && len(a.Choices) == 0:
			return fmt.Errorf("command %s: argument %s: a choice needs choices", c.Name, a.Name)
		case a.Help == "":
			return fmt.Errorf("command %s: argument %s: help is missing", c.Name, a.Name)
		case a.Kind == Path && !c.Local:
			return fmt.Errorf("command %s: argument %s: only a local command may take a file", c.Name, a.Name)
		}
	}
	return nil
}

// reserved are names that every command has on a command line.
var reserved = []string{"json", "yes", "help", "h", "watch"}

func plain(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return s != ""
}

// Caller is who asks, as the surface found out. Via names the surface ("ctl", "ad-hoc", "rest", "script").
type Caller struct {
	JID   jid.JID // zero for somebody with no account here, such as root at the local socket
	Name  string  // for the audit where there is no JID, such as "root"
	Role  Role
	Via   string
	Local bool // on this machine, may name files
}

func (c *Caller) who() string {
	if c.JID.IsZero() {
		return c.Name
	}
	return c.JID.String()
}

// Values are arguments as a surface got them: texts by the name of the argument, several for Lines and JIDs.
type Values map[string][]string

// Call is one run with arguments that were checked: what is required is there, what is there is valid.
type Call struct {
	Caller  Caller
	Command *Command
	args    map[string]value
	emit    func(*Result) error
}

type value struct {
	texts []string
	jids  []jid.JID
	n     int64
	b     bool
}

// Has tells whether the argument was given or has a default.
func (c *Call) Has(name string) bool {
	_, ok := c.args[name]
	return ok
}

// String returns a text, choice, password or file, "" if not given.
func (c *Call) String(name string) string {
	if v := c.args[name]; len(v.texts) > 0 {
		return v.texts[0]
	}
	return ""
}

// Lines returns all texts given.
func (c *Call) Lines(name string) []string { return c.args[name].texts }

// JID returns an address, zero if not given.
func (c *Call) JID(name string) jid.JID {
	if v := c.args[name]; len(v.jids) > 0 {
		return v.jids[0]
	}
	return jid.JID{}
}

// JIDs returns all addresses given.
func (c *Call) JIDs(name string) []jid.JID { return c.args[name].jids }

// Int returns a number, 0 if not given.
func (c *Call) Int(name string) int { return int(c.args[name].n) }

// Bool returns a switch, false if not given.
func (c *Call) Bool(name string) bool { return c.args[name].b }

// Duration returns a length of time, 0 if not given.
func (c *Call) Duration(name string) time.Duration { return time.Duration(c.args[name].n) }

// Emit shows a part of the result at once, for commands that go on (a log that is followed, a long check
// with progress). It blocks until the surface took it; an error means nobody looks any more. A surface that
// cannot show parts gets them with the end: its results are appended to what Run returns.
func (c *Call) Emit(r *Result) error { return c.emit(r) }

// Reason classifies a failure, so that each surface can answer with its own condition or exit code.
type Reason uint8

const (
	Internal    Reason = iota // the cause is in the log
	BadArgument               // Arg names which
	Unknown                   // no such command
	Forbidden                 // the caller's role is too low
	NotFound                  // what the command is about does not exist
	Conflict                  // it exists already, or changed meanwhile
	NotAllowed                // never possible here
	Unavailable               // not possible now; try again
)

func (r Reason) String() string {
	return [...]string{"internal", "bad-argument", "unknown", "forbidden", "not-found", "conflict", "not-allowed", "unavailable"}[r]
}

// Error is a failure with a text for the caller.
type Error struct {
	Reason Reason
	Arg    string // of BadArgument
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Fail returns a failure that the caller is shown.
func Fail(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// BadArg returns the failure of one argument.
func BadArg(arg, format string, args ...any) error {
	return &Error{Reason: BadArgument, Arg: arg, Text: arg + ": " + fmt.Sprintf(format, args...)}
}

// ReasonOf classifies any error that Run returned.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return Internal
}
