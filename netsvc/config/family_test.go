package config

import (
	"fmt"
	"testing"
)

func TestFamily(t *testing.T) {
	s := NewSchema()
	got := make(map[string]*int)
	s.Section("snmp").Family("user", "Users.", func(name string, section *Section) {
		level := new(int)
		section.Int(level, "level", 1, "h")
		if name != "" {
			got[name] = level
		}
	})
	if err := s.Open("snmp.user.noc").Option("level").Assign(int64(3), LayerFile, "", 0); err != nil {
		t.Fatal(err)
	}
	if s.Open("snmp.user.noc") != s.Find("snmp.user.noc") || len(got) != 1 || *got["noc"] != 3 {
		t.Errorf("the section is made again, or lost: %v", got)
	}
	for _, name := range []string{"snmp.user", "snmp.user.Noc", "snmp.user.a.b", "snmp.users.a", "user", ""} {
		if s.Open(name) != nil {
			t.Errorf("[%s] is one of the family", name)
		}
	}
	if list := s.Families(); len(list) != 1 || list[0].Name() != "snmp.user.NAME" || list[0].Option("level") == nil || len(got) != 1 {
		t.Errorf("families: %v", list)
	}
	for i := range maxFamily {
		if section := s.Open(fmt.Sprintf("snmp.user.u%d", i)); (section == nil) != (i == maxFamily-1) {
			t.Errorf("section %d of the family: %v", i+2, section)
		}
	}
	if !s.IsFamily("snmp.user") || s.IsFamily("snmp") {
		t.Error("IsFamily")
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	s.Section("snmp").Family("user", "", nil)
	s.Section("").Family("x", "", nil)
	s.Section("snmp").Family("X", "", nil)
	if len(s.errs) != 3 {
		t.Errorf("mistakes: %v", s.Err())
	}
}
