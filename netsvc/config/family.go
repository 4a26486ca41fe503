package config

import (
	"slices"
	"strings"
)

// maxFamily bounds how many sections of one family a file may have.
const maxFamily = 64

// family is a kind of section of which the operator makes as many as he likes.
type family struct {
	prefix  string // "snmp.user"
	about   string
	declare func(name string, s *Section)
	count   int
}

// Family declares sections whose last name the operator chooses, such as [snmp.user.noc] and [snmp.user.lab] for
// the family "user" of the section [snmp]. For each one that stands in the file declare is called with its name
// and declares its options, bound to something of its own. The sample asks for the options, too: it calls declare
// with an empty name, and throws away what that makes.
func (s *Section) Family(name, about string, declare func(name string, s *Section)) {
	prefix := s.name + "." + name
	if !word(name) || s.name == "" {
		s.fail("family %q: the name must be small letters, digits and _, and its section have a name", name)
		return
	}
	if s.schema.family(prefix) != nil {
		s.fail("family %s is declared twice", name)
		return
	}
	s.schema.families = append(s.schema.families, &family{prefix: prefix, about: about, declare: declare})
}

// Open returns the section of that name as Find does, and makes it if it is one of a family; nil if there can be
// none.
func (s *Schema) Open(name string) *Section {
	if found := s.Find(name); found != nil {
		return found
	}
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return nil
	}
	f := s.family(name[:at])
	if f == nil || !word(name[at+1:]) || f.count == maxFamily {
		return nil
	}
	f.count++
	section := s.Section(name).About(f.about)
	f.declare(name[at+1:], section)
	return section
}

// IsFamily tells whether sections below that name are of a family.
func (s *Schema) IsFamily(name string) bool { return s.family(name) != nil }

// Families returns what a section of each family looks like, named "snmp.user.NAME", by name.
func (s *Schema) Families() []*Section {
	var list []*Section
	for _, f := range s.families {
		section := &Section{schema: s, name: f.prefix + ".NAME", about: f.about}
		f.declare("", section)
		list = append(list, section)
	}
	slices.SortFunc(list, func(a, b *Section) int { return strings.Compare(a.name, b.name) })
	return list
}

func (s *Schema) family(prefix string) *family {
	for _, f := range s.families {
		if f.prefix == prefix {
			return f
		}
	}
	return nil
}
