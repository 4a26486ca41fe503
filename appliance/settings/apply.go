package settings

import (
	"fmt"
	"strings"

	"linnet/netsvc/config"
	"linnet/netsvc/wire/toml"
)

// Source is everything that gives options their values.
type Source struct {
	File  *File    // nil when there is none
	Flags []string // "c2s.listen=[::]:5222", "domain=example.org"

	// Absent tells which feature a section belongs to that this program was built without.
	Absent func(section string) (feature string, ok bool)
}

// Apply gives the options of schema their values, runs their checks and returns everything that is wrong,
// in the order of the file. When it returns none, the values hold.
func Apply(schema *config.Schema, source Source) config.Problems {
	a := applying{schema: schema, source: source, reported: make(map[string]bool)}
	if source.File != nil {
		for _, e := range source.File.Entries {
			a.entry(e)
		}
	}
	for _, f := range source.Flags {
		a.flag(f)
	}
	if len(a.problems) == 0 { // checks compare options: with half of them refused they would mislead
		a.problems = schema.Validate()
	}
	a.problems.Sort()
	return a.problems
}

type applying struct {
	schema   *config.Schema
	source   Source
	problems config.Problems
	reported map[string]bool // unknown sections, each reported once
}

func (a *applying) entry(e toml.Entry) {
	if e.Table {
		a.known(strings.Join(e.Path, "."), e.Line)
		return
	}
	section, name := strings.Join(e.Path[:len(e.Path)-1], "."), e.Path[len(e.Path)-1]
	if !a.known(section, e.Line) {
		return
	}
	p := &config.Problem{File: a.source.File.Name, Line: e.Line, Section: section, Option: name}
	o := a.option(section, name)
	if o == nil {
		if a.isSection(join(section, name)) {
			if a.reported[join(section, name)] {
				return // [[c2s]] comes as often as it stands there
			}
			a.reported[join(section, name)] = true
			p.Section, p.Option = join(section, name), ""
			p.Text, p.Hint = "is a section", "write it as ["+join(section, name)+"], once"
		} else {
			p.Text, p.Hint = "no such option", a.nearest(section, name)
		}
		a.problems = append(a.problems, p)
		return
	}
	if err := o.Assign(e.Value, config.LayerFile, a.source.File.Name, e.Line); err != nil {
		p.Text = err.Error()
		a.problems = append(a.problems, p)
	}
}

func (a *applying) flag(text string) {
	path, value, ok := strings.Cut(text, "=")
	section, name := "", path
	if at := strings.LastIndexByte(path, '.'); at >= 0 {
		section, name = path[:at], path[at+1:]
	}
	p := &config.Problem{Section: section, Option: name}
	if o := a.option(section, name); !ok {
		p.Option, p.Text = "", fmt.Sprintf("%q is not section.option=value", text)
	} else if o == nil {
		p.Text, p.Hint = "no such option", a.nearest(section, name)
		if feature, absent := a.absent(section); absent {
			p.Hint = "this program was built without the feature " + feature
		}
	} else if err := o.AssignText(value, config.LayerFlag); err != nil {
		p.Text = err.Error()
	} else {
		return
	}
	a.problems = append(a.problems, p)
}

// known tells whether a section may stand in the file, and reports it if not.
func (a *applying) known(section string, line int) bool {
	if section == "" || a.isSection(section) || a.schema.IsFamily(section) || a.schema.Open(section) != nil {
		return true
	}
	if a.reported[section] {
		return false
	}
	a.reported[section] = true
	p := &config.Problem{File: a.source.File.Name, Line: line, Section: section}
	if feature, ok := a.absent(section); ok {
		p.Text, p.Hint = "this program was built without the feature "+feature, "remove the section or use a build that has it"
	} else {
		p.Text = "no such section"
		parent, name := "", section
		if at := strings.LastIndexByte(section, '.'); at >= 0 {
			parent, name = section[:at], section[at+1:]
		}
		if a.schema.IsFamily(parent) {
			p.Hint = fmt.Sprintf("what follows %s. is a word of small letters, digits and _, a letter first, of which there may be 64", parent)
		} else if a.option(parent, name) != nil {
			p.Hint = fmt.Sprintf("%s is an option of %s", name, title(parent))
		} else if near := config.Nearest(section, a.sections()); near != "" {
			p.Hint = fmt.Sprintf("did you mean [%s]?", near)
		}
	}
	a.problems = append(a.problems, p)
	return false
}

func (a *applying) absent(section string) (string, bool) {
	if a.source.Absent == nil {
		return "", false
	}
	return a.source.Absent(section)
}

// isSection tells whether anything was declared in the section or below it.
func (a *applying) isSection(name string) bool {
	for _, known := range a.sections() {
		if known == name || strings.HasPrefix(known, name+".") {
			return true
		}
	}
	return false
}

func (a *applying) sections() []string {
	var list []string
	for _, s := range a.schema.Sections() {
		if s.Name() != "" {
			list = append(list, s.Name())
		}
	}
	return list
}

func (a *applying) option(section, name string) *config.Option {
	if s := a.schema.Open(section); s != nil {
		return s.Option(name)
	}
	return nil
}

// nearest names what was probably meant: a like name in the section, or the same name in another.
func (a *applying) nearest(section, name string) string {
	var names, elsewhere []string
	for _, s := range a.schema.Sections() {
		for _, o := range s.Options() {
			if s.Name() == section {
				names = append(names, o.Name)
			} else if o.Name == name {
				elsewhere = append(elsewhere, title(s.Name()))
			}
		}
	}
	if near := config.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(elsewhere) > 0 {
		return "it is an option of " + strings.Join(elsewhere, ", ")
	}
	return ""
}

func title(section string) string {
	if section == "" {
		return "the top of the file"
	}
	return "[" + section + "]"
}

func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}
