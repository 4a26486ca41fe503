package control

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/config"
)

// words are the words of a command line taken apart.
type words struct {
	command *command.Command
	args    command.Values
	json    bool
	yes     bool          // do not ask before what cannot be undone
	help    []string      // show what there is about these words instead; nil if nobody asks for help
	watch   time.Duration // run it again and again
}

// usageError is a mistake in the words, as opposed to one in a value.
type usageError struct{ text string }

func (u *usageError) Error() string { return u.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// parse takes argv apart: the longest name of a command that it begins with, then values in the order of the
// declaration and flags in any place. -name value, -name=value, --name value and --name=value are the same;
// a truth value needs no value. A password is never taken by its place, as it would be by mistake.
// What was found is returned beside an error too.
func parse(set []*command.Command, argv []string, dir string) (*words, error) {
	w := &words{args: make(command.Values)}
	var rest []string
	helps := false
	for i := 0; i < len(argv); i++ {
		switch argv[i] {
		case "--help", "-help", "-h":
			helps = true
		case "--json", "-json":
			w.json = true
		case "--yes", "-yes":
			w.yes = true
		case "--":
			rest = append(rest, argv[i:]...)
			i = len(argv)
		default:
			name, value, given := strings.Cut(argv[i], "=")
			if name != "-watch" && name != "--watch" {
				rest = append(rest, argv[i])
				continue
			}
			if !given {
				if i+1 == len(argv) {
					return w, usage("-watch needs an interval such as 2s")
				}
				i++
				value = argv[i]
			}
			var err error
			if w.watch, err = config.ParseDuration(value); err != nil || w.watch < time.Second/10 {
				return w, usage("-watch: %q is not an interval such as 2s", value)
			}
		}
	}
	if len(rest) > 0 && rest[0] == "help" {
		helps, rest = true, rest[1:]
	}
	if helps {
		w.help = append([]string{}, rest...)
		return w, nil
	}
	n := 0
	if w.command, n = find(set, rest); w.command == nil {
		return w, unknown(set, rest)
	}
	return w, w.read(rest[n:], dir)
}

// find returns the command with the longest name that argv begins with, and the words of that name.
func find(set []*command.Command, argv []string) (*command.Command, int) {
	for n := min(3, len(argv)); n > 0; n-- {
		name := strings.Join(argv[:n], " ")
		for _, c := range set {
			if c.Name == name {
				return c, n
			}
		}
	}
	return nil, 0
}

// below lists the commands whose names begin with the words of a group, by what follows these words.
func below(set []*command.Command, group ...string) (list []*command.Command, names []string) {
	for _, c := range set {
		if name, ok := strings.CutPrefix(c.Name, strings.Join(group, " ")+" "); ok {
			list, names = append(list, c), append(names, name)
		}
	}
	return list, names
}

// unknown says what is wrong with a command line that names no command.
func unknown(set []*command.Command, argv []string) error {
	if len(argv) == 0 {
		return usage("which command? `linnet ctl help` lists them")
	}
	typed := strings.Join(argv[:min(len(argv), 3)], " ")
	if len(typed) > 60 {
		typed = typed[:60] + "…"
	}
	text := fmt.Sprintf("there is no command %q", typed)
	for n := min(2, len(argv)); n > 0; n-- {
		_, names := below(set, argv[:n]...)
		if len(names) == 0 {
			continue
		}
		group, list := strings.Join(argv[:n], " "), strings.Join(names, ", ")
		if len(argv) == n {
			return usage("%s what? one of: %s", group, list)
		}
		if near := nearest(argv[n:], names); near != "" {
			return usage("%s; did you mean %q?", text, group+" "+near)
		}
		return usage("%s; what begins with %s: %s", text, group, list)
	}
	var names []string
	for _, c := range set {
		names = append(names, c.Name)
	}
	if near := nearest(argv, names); near != "" {
		return usage("%s; did you mean %q?", text, near)
	}
	return usage("%s; `linnet ctl help` lists them", text)
}

// nearest returns the name that the words begin with, misspelt, "" if none is near.
func nearest(argv, names []string) string {
	for n := min(3, len(argv)); n > 0; n-- {
		if near := config.Nearest(strings.Join(argv[:n], " "), names); near != "" {
			return near
		}
	}
	return ""
}

// read takes the words behind the name.
func (w *words) read(rest []string, dir string) error {
	var places []*command.Arg
	for i := range w.command.Args {
		if a := &w.command.Args[i]; a.Kind != command.Password && a.Kind != command.Bool {
			places = append(places, a)
		}
	}
	flags, next := true, 0
	for i := 0; i < len(rest); i++ {
		word := rest[i]
		if flags && word == "--" {
			flags = false
			continue
		}
		if flags && len(word) > 1 && word[0] == '-' {
			name, value, given := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
			a := w.command.Arg(name)
			if a == nil {
				return w.noFlag(name)
			}
			if !given && a.Kind == command.Bool {
				value, given = "true", true
			}
			if !given {
				if i+1 == len(rest) {
					return usage("-%s needs a value", name)
				}
				i++
				value = rest[i]
			}
			w.add(a, value, dir)
			continue
		}
		// What a flag gave already has no place any more.
		for next < len(places) && len(w.args[places[next].Name]) > 0 && !several(places[next].Kind) {
			next++
		}
		if next == len(places) {
			return usage("%q is one word too many for %s", word, w.command.Name)
		}
		w.add(places[next], word, dir)
	}
	return nil
}

func several(k command.Kind) bool { return k == command.Lines || k == command.JIDs }

func (w *words) add(a *command.Arg, value, dir string) {
	if a.Kind == command.Path && !filepath.IsAbs(value) {
		value = filepath.Join(dir, value)
	}
	w.args[a.Name] = append(w.args[a.Name], value)
}

func (w *words) noFlag(name string) error {
	var names []string
	for _, a := range w.command.Args {
		names = append(names, a.Name)
	}
	text := fmt.Sprintf("%s takes no -%s", w.command.Name, name)
	if near := config.Nearest(name, names); near != "" {
		text += "; did you mean -" + near + "?"
	}
	return usage("%s", text)
}

// help describes one command.
func help(c *command.Command) string {
	var b strings.Builder
	var rows [][2]string
	for i := range c.Args {
		rows = append(rows, [2]string{"-" + c.Args[i].Name, describe(&c.Args[i])})
	}
	b.WriteString("usage: " + synopsis(c) + "\n\n" + strings.TrimSpace(c.Help) + "\n")
	if len(rows) > 0 {
		b.WriteString("\nA value may be given by its place or by its name:\n")
		width := 0
		for _, r := range rows {
			width = max(width, len(r[0]))
		}
		for _, r := range rows {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, r[0], r[1])
		}
	}
	b.WriteString("\nWith every command: -json for programs, -watch 2s to run it again and again, -yes to not be asked.\n")
	return b.String()
}

// synopsis shows a command as it is typed.
func synopsis(c *command.Command) string {
	text := "linnet ctl " + c.Name
	for i := range c.Args {
		a := &c.Args[i]
		shown := ""
		switch {
		case a.Kind == command.Bool:
			shown = "[-" + a.Name + "]"
		case a.Kind == command.Password:
			shown = "[-" + a.Name + " …]"
		case several(a.Kind):
			shown = strings.ToUpper(a.Name) + "…"
		default:
			shown = strings.ToUpper(a.Name)
		}
		if !a.Required && shown[0] != '[' {
			shown = "[" + shown + "]"
		}
		text += " " + shown
	}
	return text
}

func describe(a *command.Arg) string {
	text := strings.TrimSuffix(a.Help, ".")
	var notes []string
	switch {
	case a.Kind == command.Enum:
		notes = append(notes, "one of "+strings.Join(a.Choices, ", "))
	case a.Kind == command.Password:
		notes = append(notes, "asked for, or read from standard input, when left out")
	case a.Kind != command.Text && a.Kind != command.Bool:
		notes = append(notes, a.Kind.String())
	}
	if a.Default != "" {
		notes = append(notes, "default "+a.Default)
	} else if a.Required && a.Kind != command.Password {
		notes = append(notes, "required")
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, "; ") + ")"
	}
	return text
}

// overview lists commands with their first sentences.
func overview(set []*command.Command) *command.Result {
	r := command.Table(command.Column{Name: "command"}, command.Column{Name: "summary", Label: "what it does"})
	for _, c := range set {
		r.Row(c.Name, c.Summary())
	}
	return r
}
