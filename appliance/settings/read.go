package settings

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"linnet/netsvc/config"
)

// maxFile bounds a configuration file, which a board reads into memory whole.
const maxFile = 1 << 20

// File is a configuration file taken apart.
type File struct {
	Name    string
	Entries []Entry // in the order of the file
}

// Entry is one table header or one value.
type Entry struct {
	Path  []string // "xmpp", "ping", "interval"
	Line  int
	Table bool // a header such as [xmpp.ping]
	Value any  // string, bool, int64, float64, time.Time, []any; of an array of tables []map[string]any
}

// Load reads the file at path. What is wrong with its text is a *config.Problem.
func Load(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", path, config.FormatBytes(maxFile))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Read(path, string(text))
}

// Read takes the text of a file apart; name is for messages. The error is a *config.Problem.
func Read(name, text string) (*File, error) {
	var root map[string]toml.Primitive
	meta, err := toml.Decode(text, &root)
	if err != nil {
		return nil, syntax(name, err)
	}
	f := &File{Name: name}
	for _, path := range meta.Keys() {
		e, ok := entry(&meta, root, path)
		if ok {
			f.Entries = append(f.Entries, e)
		}
	}
	return f, nil
}

func syntax(name string, err error) error {
	p := &config.Problem{File: name, Text: err.Error()}
	var parse toml.ParseError
	if errors.As(err, &parse) {
		p.Line, p.Text = parse.Position.Line, parse.Message
		if p.Text == "" {
			p.Text = strings.TrimPrefix(parse.Error(), "toml: ")
		}
	}
	return p
}

// entry finds what stands under path. ok is false for the contents of an array of tables, which is reported
// as a whole.
func entry(meta *toml.MetaData, table map[string]toml.Primitive, path toml.Key) (e Entry, ok bool) {
	for _, name := range path[:len(path)-1] {
		next, found := table[name]
		if !found {
			return e, false
		}
		inner := make(map[string]toml.Primitive)
		if meta.PrimitiveDecode(next, &inner) != nil {
			return e, false
		}
		table = inner
	}
	primitive, found := table[path[len(path)-1]]
	if !found {
		return e, false
	}
	e = Entry{Path: path, Line: line(meta, primitive)}
	if meta.Type(path...) == "Hash" {
		e.Table = true
		return e, true
	}
	return e, meta.PrimitiveDecode(primitive, &e.Value) == nil
}

// line asks the decoder where a value stands. It tells only in an error, so one is provoked.
func line(meta *toml.MetaData, p toml.Primitive) int {
	var parse toml.ParseError
	if errors.As(meta.PrimitiveDecode(p, refuse{}), &parse) {
		return parse.Position.Line
	}
	return 0
}

type refuse struct{}

var errRefused = errors.New("refused")

func (refuse) UnmarshalTOML(any) error { return errRefused }
