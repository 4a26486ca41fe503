package settings

import (
	"fmt"
	"strings"

	"linnet/netsvc/command"
	"linnet/netsvc/config"
)

// Sample writes a configuration file in which every option stands as a comment with its default and what
// it is for: uncommented as a whole it changes nothing.
func Sample(schema *config.Schema) string {
	families := schema.Families()
	var b strings.Builder
	b.WriteString("# The options of linnet with their defaults. Remove the # of a line to change it.\n" +
		"# `linnet check -config FILE` reports every mistake; SIGHUP or `linnet ctl reload` applies a change.\n")
	for _, s := range schema.Sections() {
		if s.Name() != "" || s.Summary() != "" {
			b.WriteByte('\n')
		}
		if s.Summary() != "" {
			b.WriteString("# " + s.Summary() + "\n")
		}
		if s.Name() != "" {
			b.WriteString("[" + s.Name() + "]\n")
		}
		for _, o := range s.Options() {
			b.WriteByte('\n')
			for _, line := range wrap(about(o), 100) {
				b.WriteString("## " + line + "\n")
			}
			fmt.Fprintf(&b, "#%s = %s\n", o.Name, o.Default)
		}
		for _, f := range families {
			if strings.HasPrefix(f.Name(), s.Name()+".") {
				sampleFamily(&b, f)
			}
		}
	}
	return b.String()
}

// sampleFamily shows a section that may be there several times, under names of the operator's choice: as a whole
// it stays a comment.
func sampleFamily(b *strings.Builder, s *config.Section) {
	b.WriteString("\n# " + s.Summary() + "\n# [" + s.Name() + "]\n")
	for _, o := range s.Options() {
		b.WriteString("#\n")
		for _, line := range wrap(about(o), 100) {
			b.WriteString("## " + line + "\n")
		}
		fmt.Fprintf(b, "# %s = %s\n", o.Name, o.Default)
	}
}

// about is the help of an option with its kind and limits.
func about(o *config.Option) string {
	var notes []string
	switch o.Kind {
	case config.KindBool:
	case config.KindEnum:
		notes = append(notes, "one of "+o.Limits())
	default:
		note := o.Kind.String()
		if o.Kind == config.KindSecret {
			note = `secret: the text itself, or "file:/path"`
		}
		if limits := o.Limits(); limits != "" {
			note += ", " + limits
		}
		notes = append(notes, note)
	}
	if o.Restart {
		notes = append(notes, "needs a restart")
	}
	text := strings.ToUpper(o.Help[:1]) + o.Help[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, "; ") + ")"
	}
	return text
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

// Show lists options with their values and where each came from; section limits it to one, "" does not.
func Show(schema *config.Schema, section string, changed bool) *command.Result {
	r := command.Table(command.Column{Name: "section"}, command.Column{Name: "option"},
		command.Column{Name: "value"}, command.Column{Name: "layer"}, command.Column{Name: "place"})
	for _, s := range schema.Sections() {
		if section != "" && s.Name() != section {
			continue
		}
		for _, o := range s.Options() {
			if changed && o.Layer == config.LayerDefault {
				continue
			}
			place := ""
			if o.Line > 0 {
				place = fmt.Sprintf("%s:%d", o.File, o.Line)
			}
			r.Row(s.Name(), o.Name, o.Value(), o.Layer.String(), place)
		}
	}
	return r
}
