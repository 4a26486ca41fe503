package command

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/metric"
	"linnet/netsvc/wire/jid"
)

// Set is the commands of one generation. It is filled by one goroutine while the services are set up;
// after that it is constant and safe for concurrent use.
type Set struct {
	log      *log.Logger
	runs     *metric.Counters
	took     *metric.Timer
	commands []*Command // sorted by name
	errs     []error
}

// NewSet returns an empty Set that writes its audit to log and counts in section.
func NewSet(log *log.Logger, section *metric.Section) *Set {
	return &Set{log: log, runs: section.Counters(metric.Desc{
		Name: "commandRuns", Help: "Commands run, by name and outcome.", Labels: []string{"command", "outcome"}, MaxRows: 256,
	}), took: section.Timer(metric.Desc{Name: "commandTime", Help: "How long commands ran."})}
}

// Add declares a command. A bad declaration is an error of Err, not a panic.
func (s *Set) Add(c Command) {
	if err := c.check(); err != nil {
		s.errs = append(s.errs, err)
		return
	}
	at, found := slices.BinarySearchFunc(s.commands, c.Name, func(c *Command, name string) int { return strings.Compare(c.Name, name) })
	if found {
		s.errs = append(s.errs, fmt.Errorf("command %s is declared twice", c.Name))
		return
	}
	s.commands = append(s.commands, &c) // by hand: slices.Insert is 1.4 KB of code for each type
	copy(s.commands[at+1:], s.commands[at:])
	s.commands[at] = &c
}

// Err returns what was wrong with the declarations, nil if nothing.
func (s *Set) Err() error { return errors.Join(s.errs...) }

// All lists the commands by name; not to be changed.
func (s *Set) All() []*Command { return s.commands }

// Find returns the command of that name or ad-hoc node, nil if there is none.
func (s *Set) Find(name string) *Command {
	for _, c := range s.commands {
		if c.Name == name || c.Node != "" && c.Node == name {
			return c
		}
	}
	return nil
}

// For lists the commands that this caller may run.
func (s *Set) For(caller Caller) []*Command {
	var list []*Command
	for _, c := range s.commands {
		if caller.may(c) {
			list = append(list, c)
		}
	}
	return list
}

func (c *Caller) may(cmd *Command) bool {
	return c.Role >= cmd.Role && (c.Local || !cmd.Local) && !(c.Local && cmd.Remote)
}

// Run is the one door: it checks the caller's role and the arguments, runs the command, writes one audit
// line and counts. name is a command's name or node.
func (s *Set) Run(ctx context.Context, caller Caller, name string, args Values) (*Result, error) {
	var parts []*Result
	last, err := s.Stream(ctx, caller, name, args, func(r *Result) error {
		parts = append(parts, r)
		return nil
	})
	if len(parts) == 0 || err != nil {
		return last, err
	}
	whole := &Result{}
	for _, part := range append(parts, last) {
		whole.Append(part)
	}
	return whole, nil
}

// Stream is Run for a surface that can show parts of a result as they come; emit is called by the
// goroutine of the command, one at a time.
func (s *Set) Stream(ctx context.Context, caller Caller, name string, args Values, emit func(*Result) error) (*Result, error) {
	c := s.Find(name)
	if c == nil {
		s.runs.With("none", Unknown.String()).Inc() // a caller's text must not become a row
		return nil, Fail(Unknown, "there is no command %q", name)
	}
	call := &Call{Caller: caller, Command: c, emit: emit}
	begin := time.Now()
	var result *Result
	err := error(nil)
	switch {
	case !caller.may(c):
		err = Fail(Forbidden, "%s is not for the role %s", c.Name, caller.Role)
	default:
		if call.args, err = c.read(args, true); err == nil {
			result, err = s.protected(ctx, call)
		}
	}
	s.audit(call, args, err, time.Since(begin))
	if err == nil && result == nil {
		result = &Result{}
	}
	return result, err
}

// protected runs the command; a panic in it ends that run only.
func (s *Set) protected(ctx context.Context, call *Call) (result *Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("command panicked", "command", call.Command.Name, "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("command panicked: %v", p)
		}
	}()
	return call.Command.Run(ctx, call)
}

// audit writes who did what by which way and how it ended. Reading leaves a line at the debug level only,
// so that a monitor does not fill the log.
func (s *Set) audit(call *Call, args Values, err error, took time.Duration) {
	c, outcome := call.Command, "ok"
	if err != nil {
		outcome = ReasonOf(err).String()
	}
	s.runs.With(c.Name, outcome).Inc()
	s.took.Observe(took)
	level := log.LevelInfo
	if c.Effect == Read && ReasonOf(err) != Forbidden {
		level = log.LevelDebug
	}
	if err != nil && outcome == Internal.String() {
		level = log.LevelError
	}
	attrs := []any{"who", call.Caller.who(), "via", call.Caller.Via, "command", c.Name, "args", c.publicArgs(args),
		"outcome", outcome, "took", took}
	if err != nil {
		attrs = append(attrs, "cause", err)
	}
	s.log.Log(level, "command", attrs...)
}

// publicArgs renders arguments without secrets, in the order of their declaration. What the command does
// not know is left out: a password given under a misspelt name must not reach the log.
func (c *Command) publicArgs(args Values) string {
	var b strings.Builder
	for i := range c.Args {
		a := &c.Args[i]
		texts, ok := args[a.Name]
		if !ok {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.Name + "=")
		if a.Kind == Password {
			b.WriteString("********")
			continue
		}
		text := strings.Join(texts, ",")
		if len(text) > maxAudit {
			text = strings.ToValidUTF8(text[:maxAudit], "") + "…"
		}
		b.WriteString(text)
	}
	return b.String()
}

const (
	maxAudit = 200      // bytes of one argument in the audit
	maxText  = 64 << 10 // bytes of one value of an argument
	maxMany  = 1000     // values of one argument
)

// CheckArgs tells what is wrong with arguments, for a surface that asks for the passwords last: only these may still
// be missing.
func (c *Command) CheckArgs(args Values) error {
	_, err := c.read(args, false)
	return err
}

// read checks args against the declaration and returns them as values; of those that are not whole, passwords may
// be missing.
func (c *Command) read(args Values, whole bool) (map[string]value, error) {
	for name := range args {
		if c.Arg(name) == nil {
			return nil, BadArg(name, "%s takes no such argument", c.Name)
		}
	}
	secret := slices.ContainsFunc(c.Args, func(a Arg) bool { return a.Kind == Password })
	values := make(map[string]value, len(c.Args))
	for i := range c.Args {
		a := &c.Args[i]
		texts := args[a.Name]
		if len(texts) == 0 || len(texts) == 1 && texts[0] == "" && a.Kind != Text {
			if a.Default != "" {
				texts = []string{a.Default}
			} else if a.Required && (whole || a.Kind != Password) {
				return nil, BadArg(a.Name, "is required")
			} else {
				continue
			}
		}
		v, err := a.read(texts)
		if err != nil {
			return nil, err
		}
		if secret && a.Kind == JID && v.jids[0].Local() == "" {
			return nil, BadArg(a.Name, "%q is not an address of an account, such as alice@example.org", texts[0])
		}
		values[a.Name] = v
	}
	return values, nil
}

func (a *Arg) read(texts []string) (value, error) {
	v := value{texts: texts}
	if len(texts) > 1 && !a.Kind.many() {
		return v, BadArg(a.Name, "takes one value, not %d", len(texts))
	}
	if len(texts) > maxMany {
		return v, BadArg(a.Name, "takes at most %d values", maxMany)
	}
	for _, t := range texts {
		if len(t) > maxText {
			return v, BadArg(a.Name, "is longer than %d bytes", maxText)
		}
	}
	text, err := texts[0], error(nil)
	switch a.Kind {
	case JID, JIDs:
		for _, t := range texts {
			j, err := jid.Parse(t)
			if err != nil {
				return v, BadArg(a.Name, "%q is not an address: %v", t, err)
			}
			v.jids = append(v.jids, j)
		}
	case Bool:
		switch text {
		case "true", "1", "yes": // "1" is how a form says it
			v.b = true
		case "false", "0", "no":
		default:
			return v, BadArg(a.Name, "%q is neither true nor false", text)
		}
	case Int:
		var n int
		if n, err = strconv.Atoi(text); err != nil {
			return v, BadArg(a.Name, "%q is not a whole number", text)
		}
		v.n = int64(n)
	case Enum:
		if !slices.Contains(a.Choices, text) {
			return v, BadArg(a.Name, "%q is none of %s", text, strings.Join(a.Choices, ", "))
		}
	case Duration:
		var d time.Duration
		if seconds, bare := strconv.ParseUint(text, 10, 32); bare == nil { // as the forms of XEP-0133 have it
			d = time.Duration(seconds) * time.Second
		} else if d, err = time.ParseDuration(text); err != nil || d < 0 {
			return v, BadArg(a.Name, "%q is not a duration such as 90s or 1h30m", text)
		}
		v.n = int64(d)
	}
	return v, nil
}
