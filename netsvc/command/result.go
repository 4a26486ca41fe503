package command

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Result is what a command has to say, in a shape that any surface can render: a table on a terminal,
// JSON, or a form of type result (XEP-0004) whose fields are Fields and whose reported items are Rows.
type Result struct {
	Text    string   // sentences for a person
	Fields  []Field  // named values
	Columns []Column // of Rows
	Rows    [][]string
}

// Field is a named value of a result. Name is for programs (JSON key, form field), Label for people.
type Field struct {
	Name, Label string
	Kind        Kind // Text if zero
	Values      []string
}

// Column heads one column of a result.
type Column struct {
	Name, Label string
	Kind        Kind // Text if zero
}

// Say returns a result that is a text.
func Say(text string) *Result { return &Result{Text: text} }

// Table returns an empty table with these columns.
func Table(columns ...Column) *Result { return &Result{Columns: columns} }

// Row adds a row; cells are in the order of the columns.
func (r *Result) Row(cells ...string) *Result {
	r.Rows = append(r.Rows, cells)
	return r
}

// Set adds a named text, or several under one name.
func (r *Result) Set(name, label string, values ...string) *Result {
	return r.Add(name, label, Text, values...)
}

// SetInt adds a named number.
func (r *Result) SetInt(name, label string, n int64) *Result {
	return r.Add(name, label, Int, strconv.FormatInt(n, 10))
}

// Add adds a named value of some kind.
func (r *Result) Add(name, label string, kind Kind, values ...string) *Result {
	r.Fields = append(r.Fields, Field{name, label, kind, values})
	return r
}

// IsEmpty tells whether there is nothing to show.
func (r *Result) IsEmpty() bool { return r.Text == "" && len(r.Fields) == 0 && len(r.Columns) == 0 }

// Append adds what another result says. Rows are taken over when the columns are the same ones.
func (r *Result) Append(more *Result) {
	if more == nil {
		return
	}
	if more.Text != "" {
		if r.Text != "" {
			r.Text += "\n"
		}
		r.Text += more.Text
	}
	r.Fields = append(r.Fields, more.Fields...)
	if r.Columns == nil {
		r.Columns = more.Columns
	}
	if len(r.Columns) == len(more.Columns) {
		r.Rows = append(r.Rows, more.Rows...)
	}
}

// Stamp renders a time as a value of kind Time, "" for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// AppendTable renders r for a terminal: the text, then the fields as "label  value", then the table with
// aligned columns. bold wraps headings (an escape sequence, or "" for none).
func (r *Result) AppendTable(dst []byte, bold, plain string) []byte {
	if r.Text != "" {
		for line := range strings.Lines(strings.TrimRight(r.Text, "\n")) {
			dst = append(appendClean(dst, strings.TrimSuffix(line, "\n")), '\n')
		}
	}
	if len(r.Fields) > 0 {
		rows := make([][]string, len(r.Fields))
		for i, f := range r.Fields {
			shown := make([]string, len(f.Values))
			for j, v := range f.Values {
				shown[j] = human(f.Kind, v)
			}
			rows[i] = []string{labelOf(f.Label, f.Name), strings.Join(shown, ", ")}
		}
		dst = appendAligned(dst, rows, nil)
	}
	if len(r.Columns) == 0 {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, '\n')
	}
	head, right := make([]string, len(r.Columns)), make([]bool, len(r.Columns))
	for i, c := range r.Columns {
		head[i], right[i] = strings.ToUpper(labelOf(c.Label, c.Name)), c.Kind == Int || c.Kind == Bytes
	}
	rows := [][]string{head}
	for _, row := range r.Rows {
		shown := make([]string, len(head))
		for i := range min(len(row), len(head)) {
			shown[i] = human(r.Columns[i].Kind, row[i])
		}
		rows = append(rows, shown)
	}
	begin := len(dst)
	dst = appendAligned(dst, rows, right)
	if bold == "" {
		return dst
	}
	line, rest, _ := strings.Cut(string(dst[begin:]), "\n")
	return append(dst[:begin], bold+line+plain+"\n"+rest...)
}

func labelOf(label, name string) string {
	if label != "" {
		return label
	}
	return name
}

// appendAligned writes rows in columns, two blanks apart; right marks columns of numbers.
func appendAligned(dst []byte, rows [][]string, right []bool) []byte {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		begin := len(dst)
		for i, cell := range row {
			if i > 0 {
				dst = append(dst, "  "...)
			}
			pad := widths[i] - utf8.RuneCountInString(cell)
			if i < len(right) && right[i] {
				dst = appendBlanks(dst, pad)
				pad = 0
			}
			dst = appendClean(dst, cell)
			dst = appendBlanks(dst, pad)
		}
		for len(dst) > begin && dst[len(dst)-1] == ' ' {
			dst = dst[:len(dst)-1]
		}
		dst = append(dst, '\n')
	}
	return dst
}

func appendBlanks(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}

// appendClean keeps control characters, which a remote party may have chosen, off the terminal.
func appendClean(dst []byte, s string) []byte {
	for _, c := range s {
		if c < 0x20 && c != '\t' || c >= 0x7f && c < 0xa0 {
			c = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// human renders a value for a person.
func human(kind Kind, v string) string {
	if kind != Bytes {
		return v
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return v
	}
	unit := 0
	for n >= 1024 && unit < 4 {
		n, unit = n/1024, unit+1
	}
	precision := 1
	if unit == 0 || n >= 100 {
		precision = 0
	}
	return strconv.FormatFloat(n, 'f', precision, 64) + [...]string{"", " KB", " MB", " GB", " TB"}[unit]
}

// AppendJSON renders r for a program. A result that is only a table is an array of objects; anything else
// is an object of the fields, with "text" and "rows" where there are such.
func (r *Result) AppendJSON(dst []byte) []byte {
	if r.Text == "" && len(r.Fields) == 0 && r.Columns != nil {
		return r.appendRows(dst)
	}
	dst, more := append(dst, '{'), false
	key := func(name string) {
		if more {
			dst = append(dst, ',')
		}
		more = true
		dst = append(AppendJSONString(dst, name), ':')
	}
	if r.Text != "" {
		key("text")
		dst = AppendJSONString(dst, r.Text)
	}
	for _, f := range r.Fields {
		key(f.Name)
		if len(f.Values) == 1 && !f.Kind.many() {
			dst = appendValue(dst, f.Kind, f.Values[0])
			continue
		}
		dst = append(dst, '[')
		for i, v := range f.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, f.Kind, v)
		}
		dst = append(dst, ']')
	}
	if r.Columns != nil {
		key("rows")
		dst = r.appendRows(dst)
	}
	return append(dst, '}')
}

func (r *Result) appendRows(dst []byte) []byte {
	dst = append(dst, '[')
	for i, row := range r.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		for j := range min(len(row), len(r.Columns)) {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendJSONString(dst, r.Columns[j].Name), ':')
			dst = appendValue(dst, r.Columns[j].Kind, row[j])
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendValue writes numbers and truth values as such and everything else as a string. An empty value of
// those kinds is null.
func appendValue(dst []byte, kind Kind, v string) []byte {
	switch kind {
	case Int, Bytes:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return strconv.AppendInt(dst, n, 10) // not as it came: "007" is not JSON
		}
	case Bool:
		if v == "true" || v == "false" {
			return append(dst, v...)
		}
	default:
		return AppendJSONString(dst, v)
	}
	if v == "" {
		return append(dst, "null"...)
	}
	return AppendJSONString(dst, v)
}

// AppendJSONString writes s as a JSON string (RFC 8259); bytes that are not UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < 0x20 || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}
