package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/wire/toml"
)

// Secret is a text that no log, no listing and no format verb shows.
type Secret struct{ text string }

// Reveal returns the text itself, for the one place that uses it.
func (s Secret) Reveal() string { return s.text }

// IsZero tells whether nothing was set.
func (s Secret) IsZero() bool { return s.text == "" }

const stars = "********"

// String returns stars, whatever the length of the secret.
func (s Secret) String() string { return stars }

// GoString keeps %#v from showing the field.
func (s Secret) GoString() string { return stars }

// Format keeps every other verb from showing it.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(stars)) }

// maxSecretFile bounds what is read of a file that holds a secret.
const maxSecretFile = 64 << 10

func readSecret(text string) (Secret, error) {
	path, named := strings.CutPrefix(text, "file:")
	if !named {
		return Secret{text}, nil
	}
	if info, err := os.Stat(path); err != nil {
		return Secret{}, err
	} else if info.Size() > maxSecretFile {
		return Secret{}, fmt.Errorf("%s is too large for a secret", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return Secret{}, fmt.Errorf("the first line of %s is empty", path)
	}
	return Secret{line}, nil
}

// one takes v as a T; what names the type for the operator.
func one[T any](p *T, v any, what string) error {
	t, ok := v.(T)
	if !ok {
		return fmt.Errorf("%s is %s, expected %s", brief(v), typeName(v), what)
	}
	*p = t
	return nil
}

// list takes v as a list of texts.
func list(v any) ([]string, error) {
	if text, ok := v.(string); ok {
		return []string{text}, nil
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf(`%s is %s, expected a list such as ["a", "b"]`, brief(v), typeName(v))
	}
	l := make([]string, len(items))
	for i, item := range items {
		if err := one(&l[i], item, "a text in quotes"); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int64:
		return "a number"
	case float64:
		return "a fraction"
	case []any:
		return "a list"
	case toml.Tables:
		return "a section"
	}
	return "a date" // the only other type that TOML has
}

// brief shows a value in a message, short.
func brief(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) > 40 {
			v = v[:40] + "…"
		}
		return strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return "this"
}

// ParseDuration reads what time.ParseDuration reads, and days ("14d", "1d12h"). Negative ones and bare
// numbers other than 0 are errors.
func ParseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%s is not a duration, expected such as 90s, 1h30m or 14d", brief(text))
	rest, days := text, time.Duration(0)
	if before, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 16) // 65535 days: 179 years
		if err != nil {
			return 0, bad
		}
		days, rest = time.Duration(n)*24*time.Hour, after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > math.MaxInt64-days {
		return 0, bad
	}
	return days + d, nil
}

// FormatDuration writes what ParseDuration reads, without the zero units of time.Duration.String.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return "0s"
	case d >= 2*day && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

var byteUnits = []struct {
	name string
	size int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// ParseBytes reads a size: "512", "64KB", "1.5MB", "2GiB". The units are powers of 1024 in either
// spelling, as memory and flash are sold to boards that way.
func ParseBytes(text string) (int64, error) {
	bad := fmt.Errorf("%s is not a size, expected such as 64KB, 16MB or 2GB", brief(text))
	number, unit := strings.ToUpper(strings.TrimSpace(text)), int64(1)
	number = strings.Replace(number, "IB", "B", 1)
	for _, u := range byteUnits {
		if before, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(before), u.size
			break
		}
	}
	whole, fraction, _ := strings.Cut(number, ".")
	n, err := strconv.ParseUint(whole, 10, 62)
	if err != nil || n > uint64(math.MaxInt64/unit) {
		return 0, bad
	}
	total := int64(n) * unit
	if fraction != "" {
		f, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil || unit == 1 || strings.Trim(fraction, "0123456789") != "" {
			return 0, bad
		}
		total += int64(f * float64(unit))
	}
	return total, nil
}

// FormatBytes writes what ParseBytes reads: exact, in the largest unit that divides n.
func FormatBytes(n int64) string {
	for _, u := range byteUnits {
		if u.size > 1 && n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// address checks "host:port" and returns it with an empty host spelled out.
func address(text string, loopback bool) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf(`%s is not an address, expected such as "[::]:5222" or "127.0.0.1:5222"`, brief(text))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%s: the port must be 0 to 65535", brief(text))
	}
	if host == "" {
		host = "::"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && strings.ContainsAny(host, " /:") {
		return "", fmt.Errorf("%s: %q is neither an IP address nor a name", brief(text), host)
	}
	if loopback && host != "localhost" && !(err == nil && ip.IsLoopback()) {
		return "", errors.New(brief(text) + ` is not a loopback address: use "127.0.0.1" or "[::1]"`)
	}
	return net.JoinHostPort(host, port), nil
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoteList(l []string) string {
	quoted := make([]string, len(l))
	for i, s := range l {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
