package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is the type of an option.
type Kind uint8

const (
	KindString Kind = iota + 1
	KindBool
	KindInt
	KindDuration
	KindBytes
	KindStrings
	KindAddrs
	KindEnum
	KindSecret
)

var kindNames = [...]string{
	KindString: "text", KindBool: "true or false", KindInt: "number", KindDuration: "duration", KindBytes: "size",
	KindStrings: "list of texts", KindAddrs: "list of addresses", KindEnum: "choice", KindSecret: "secret",
}

// String names the kind as the reference does.
func (k Kind) String() string { return kindNames[k] }

// Layer says where a value came from; a later layer wins.
type Layer uint8

const (
	LayerDefault Layer = iota
	LayerFile
	LayerFlag
)

func (l Layer) String() string { return [...]string{"default", "file", "flag"}[l] }

// Option is one declared option. The exported fields are for those who show it; they are set by the
// declaration and by Assign only.
type Option struct {
	Section string
	Name    string
	Kind    Kind
	Help    string
	Default string   // as it would stand in the file
	Choices []string // of an enum
	Restart bool     // a change takes effect after a restart only

	Layer Layer  // where the value came from
	File  string // with its line, when it came from a file
	Line  int

	min, max   int64 // for numbers, sizes (bytes) and durations (nanoseconds), inclusive
	ranged     bool
	loopback   bool
	addrs      *[]string // what a list of addresses is bound to
	assign     func(v any) error
	show       func() string
	raw        func() string // of a secret: what show hides, to see a change
	defaultErr error
}

// Range limits a number or a size, both ends included.
func (o *Option) Range(least, most int64) *Option {
	o.min, o.max, o.ranged = least, most, true
	return o
}

// Between limits a duration, both ends included.
func (o *Option) Between(least, most time.Duration) *Option {
	return o.Range(int64(least), int64(most))
}

// NeedsRestart marks an option whose change a reload refuses.
func (o *Option) NeedsRestart() *Option {
	o.Restart = true
	return o
}

// LoopbackOnly limits a list of addresses to those that no other machine can reach.
func (o *Option) LoopbackOnly() *Option {
	o.loopback = true
	return o
}

// Value returns the present value as it would stand in the file; a secret is shown as stars.
func (o *Option) Value() string { return o.show() }

// Limits describes the values that are allowed beyond the kind, "" when there is nothing to say.
func (o *Option) Limits() string {
	switch {
	case o.Kind == KindEnum:
		return strings.Join(o.Choices, ", ")
	case o.loopback:
		return "loopback only"
	case !o.ranged:
		return ""
	case o.max == math.MaxInt64:
		return "at least " + o.number(o.min)
	}
	return o.number(o.min) + " to " + o.number(o.max)
}

func (o *Option) number(n int64) string {
	switch o.Kind {
	case KindDuration:
		return FormatDuration(time.Duration(n))
	case KindBytes:
		return FormatBytes(n)
	}
	return strconv.FormatInt(n, 10)
}

// Assign gives the option a value: v is what a TOML reader yields (string, bool, int64, float64, []any).
// On an error the old value stays.
func (o *Option) Assign(v any, layer Layer, file string, line int) error {
	if err := o.assign(v); err != nil {
		return err
	}
	o.Layer, o.File, o.Line = layer, file, line
	return nil
}

// AssignText gives the option a value from a command line: lists are separated by commas.
func (o *Option) AssignText(text string, layer Layer) error {
	var v any = text
	switch o.Kind {
	case KindBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v = b
	case KindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v = n
	case KindStrings, KindAddrs:
		list := []any{}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		v = list
	}
	return o.Assign(v, layer, "", 0)
}

// same tells whether the option has the same value in another generation.
func (o *Option) same(other *Option) bool {
	if o.raw != nil && other.raw != nil {
		return o.raw() == other.raw()
	}
	return o.show() == other.show()
}

// inRange checks n against the declared limits.
func (o *Option) inRange(n int64) error {
	if o.ranged && (n < o.min || n > o.max) {
		return fmt.Errorf("%s is out of range: %s", o.number(n), o.Limits())
	}
	return nil
}

// String declares a text.
func (s *Section) String(p *string, name, def, help string) *Option {
	*p = def
	return s.declare(&Option{Name: name, Kind: KindString, Help: help,
		assign: func(v any) error { return one(p, v, "a text in quotes") },
		show:   func() string { return quote(*p) },
	})
}

// Bool declares a switch.
func (s *Section) Bool(p *bool, name string, def bool, help string) *Option {
	*p = def
	return s.declare(&Option{Name: name, Kind: KindBool, Help: help,
		assign: func(v any) error { return one(p, v, "true or false") },
		show:   func() string { return strconv.FormatBool(*p) },
	})
}

// Int declares a number; see Range.
func (s *Section) Int(p *int, name string, def int, help string) *Option {
	*p = def
	o := &Option{Name: name, Kind: KindInt, Help: help, show: func() string { return strconv.Itoa(*p) }}
	o.assign = func(v any) error {
		var n int64
		if err := one(&n, v, "a whole number"); err != nil {
			return err
		}
		if n != int64(int(n)) {
			return fmt.Errorf("%d is too large", n) // a 32-bit board
		}
		if err := o.inRange(n); err != nil {
			return err
		}
		*p = int(n)
		return nil
	}
	return s.declare(o)
}

// Duration declares a length of time, written as "90s", "1h30m" or "14d"; see Between. Negative ones are
// never allowed.
func (s *Section) Duration(p *time.Duration, name string, def time.Duration, help string) *Option {
	*p = def
	o := &Option{Name: name, Kind: KindDuration, Help: help, min: 0, max: math.MaxInt64,
		show: func() string { return quote(FormatDuration(*p)) }}
	o.assign = func(v any) error {
		var text string
		if err := one(&text, v, `a duration in quotes, such as "90s" or "14d"`); err != nil {
			return err
		}
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		if err := o.inRange(int64(d)); err != nil {
			return err
		}
		*p = d
		return nil
	}
	return s.declare(o)
}

// Bytes declares a size, written as a number of bytes or as "64KB", "16MB", "2GB" (powers of 1024); see
// Range. Negative ones are never allowed.
func (s *Section) Bytes(p *int64, name string, def int64, help string) *Option {
	*p = def
	o := &Option{Name: name, Kind: KindBytes, Help: help, show: func() string { return quote(FormatBytes(*p)) }}
	o.assign = func(v any) error {
		n, ok := v.(int64)
		if !ok {
			var text string
			err := one(&text, v, `a size in quotes, such as "64KB" or "16MB"`)
			if err == nil {
				n, err = ParseBytes(text)
			}
			if err != nil {
				return err
			}
		}
		if n < 0 {
			return fmt.Errorf("a size cannot be negative")
		}
		if err := o.inRange(n); err != nil {
			return err
		}
		*p = n
		return nil
	}
	return s.declare(o)
}

// Strings declares a list of texts. A single text stands for a list of one.
func (s *Section) Strings(p *[]string, name string, def []string, help string) *Option {
	*p = slices.Clone(def)
	return s.declare(&Option{Name: name, Kind: KindStrings, Help: help,
		assign: func(v any) error {
			l, err := list(v)
			if err == nil {
				*p = l
			}
			return err
		},
		show: func() string { return quoteList(*p) },
	})
}

// Addrs declares a list of addresses to listen on or to reach, each "host:port" or "[v6]:port"; an empty
// list means none. A single text stands for a list of one.
func (s *Section) Addrs(p *[]string, name string, def []string, help string) *Option {
	*p = slices.Clone(def)
	o := &Option{Name: name, Kind: KindAddrs, Help: help, addrs: p, show: func() string { return quoteList(*p) }}
	o.assign = func(v any) error {
		l, err := list(v)
		if err != nil {
			return err
		}
		for i := range l {
			if l[i], err = address(l[i], o.loopback); err != nil {
				return err
			}
		}
		*p = l
		return nil
	}
	return s.declare(o)
}

// Enum declares a choice of one among a few words.
func (s *Section) Enum(p *string, name, def string, choices []string, help string) *Option {
	*p = def
	o := &Option{Name: name, Kind: KindEnum, Help: help, Choices: choices, show: func() string { return quote(*p) }}
	o.assign = func(v any) error {
		var text string
		if err := one(&text, v, "a word in quotes"); err != nil {
			return err
		}
		if !slices.Contains(choices, text) {
			err := fmt.Errorf("%q is none of %s", text, strings.Join(choices, ", "))
			if near := Nearest(text, choices); near != "" {
				err = fmt.Errorf("%w; did you mean %q?", err, near)
			}
			return err
		}
		*p = text
		return nil
	}
	if !slices.Contains(choices, def) {
		o.defaultErr = fmt.Errorf("the default %q is none of the choices", def)
	}
	return s.declare(o)
}

// Secret declares a password or a key. "file:/path" takes it from the first line of a file.
func (s *Section) Secret(p *Secret, name string, help string) *Option {
	*p = Secret{}
	return s.declare(&Option{Name: name, Kind: KindSecret, Help: help,
		assign: func(v any) error {
			var text string
			if err := one(&text, v, "a text in quotes"); err != nil {
				return err
			}
			secret, err := readSecret(text)
			if err == nil {
				*p = secret
			}
			return err
		},
		show: func() string {
			if p.IsZero() {
				return `""`
			}
			return quote(p.String())
		},
		raw: func() string { return p.text },
	})
}

// declare notes an option. What is wrong with the declaration is an error of the schema, not a panic, so
// that a test can list all of them.
func (s *Section) declare(o *Option) *Option {
	o.Section = s.name
	switch {
	case !word(o.Name):
		s.fail("option %q: the name must be small letters, digits and _", o.Name)
	case o.Help == "":
		s.fail("option %s: help is missing", o.Name)
	case s.Option(o.Name) != nil:
		s.fail("option %s is declared twice", o.Name)
		return o
	case o.defaultErr != nil:
		s.fail("option %s: %s", o.Name, o.defaultErr)
	}
	o.Default = o.show()
	s.options = append(s.options, o)
	return o
}
