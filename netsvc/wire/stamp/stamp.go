// Package stamp owns the spelling of moments on the wire: the DateTime profile
// of XEP-0082 1.1.1, the delay element of XEP-0203 2.0, and the mark that a
// stamp bears when the clock that made it was not set.
//
// It reads no clock. The Date and Time profiles of XEP-0082 are not needed by
// a server and are left out, as is the older form of XEP-0091.
package stamp

import "time"

// Error says what is wrong with a moment that was read.
type Error string

func (e Error) Error() string { return "stamp: " + string(e) }

// The errors of Parse and ParseDelay.
const (
	ErrSyntax = Error("not CCYY-MM-DDThh:mm:ss[.sss] and a time zone")
	ErrRange  = Error("a field of the date, the time or the zone is out of range")
)

// Append appends t in UTC with milliseconds: 2002-09-10T23:08:25.123Z. What is
// finer is cut off, not rounded, so that stamps keep the order of moments.
// Years that four digits cannot hold become the nearest that they can.
func Append(dst []byte, t time.Time) []byte {
	t = clamp(t)
	dst = appendSeconds(dst, t)
	return append(appendDigits(append(dst, '.'), t.Nanosecond()/1e6, 3), 'Z')
}

// AppendSeconds is Append without the fraction: 2002-09-10T23:08:25Z.
func AppendSeconds(dst []byte, t time.Time) []byte {
	return append(appendSeconds(dst, clamp(t)), 'Z')
}

// Format is Append to a string.
func Format(t time.Time) string { return string(Append(make([]byte, 0, 24), t)) }

// FormatSeconds is AppendSeconds to a string.
func FormatSeconds(t time.Time) string { return string(AppendSeconds(make([]byte, 0, 20), t)) }

func clamp(t time.Time) time.Time {
	t = t.UTC()
	switch year := t.Year(); {
	case year < 0:
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case year > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	}
	return t
}

func appendSeconds(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(appendDigits(dst, year, 4), '-')
	dst = append(appendDigits(dst, int(month), 2), '-')
	dst = append(appendDigits(dst, day, 2), 'T')
	dst = append(appendDigits(dst, hour, 2), ':')
	dst = append(appendDigits(dst, minute, 2), ':')
	return appendDigits(dst, second, 2)
}

// appendDigits writes n with leading zeros; n has at most width digits.
func appendDigits(dst []byte, n, width int) []byte {
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// Parse reads any form of the DateTime profile and returns the moment in UTC:
// any number of digits of a second (kept to the nanosecond), Z or an offset,
// and 24:00:00 as the end of a day, which XML Schema has and XEP-0082 defers
// to. Nothing else is accepted: no leap second, no year of five digits, no
// missing zone.
func Parse(s string) (time.Time, error) {
	const fixed = len("CCYY-MM-DDThh:mm:ss")
	if len(s) <= fixed || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, ErrSyntax
	}
	var fields [6]int
	for i, at := range [...][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		n, ok := digits(s[at[0]:at[1]])
		if !ok {
			return time.Time{}, ErrSyntax
		}
		fields[i] = n
	}
	nanos, rest, ok := fraction(s[fixed:])
	if !ok {
		return time.Time{}, ErrSyntax
	}
	offset, err := zone(rest)
	if err != nil {
		return time.Time{}, err
	}
	year, month, day := fields[0], time.Month(fields[1]), fields[2]
	hour, minute, second := fields[3], fields[4], fields[5]
	endOfDay := hour == 24 && minute == 0 && second == 0 && nanos == 0
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 && !endOfDay || minute > 59 || second > 59 {
		return time.Time{}, ErrRange
	}
	// Date turns the 30th of February into a day of March; hour 24 it carries
	// as it should.
	if time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() != day {
		return time.Time{}, ErrRange
	}
	return time.Date(year, month, day, hour, minute, second, nanos, time.UTC).Add(-offset), nil
}

// digits reads a short run of nothing but digits.
func digits(s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// fraction reads an optional fraction of a second and returns what follows.
func fraction(s string) (nanos int, rest string, ok bool) {
	if s[0] != '.' {
		return 0, s, true
	}
	i, scale := 1, int(1e8)
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * scale
		scale /= 10 // 0 from the tenth digit on
	}
	return nanos, s[i:], i > 1
}

// zone reads Z or an offset, which XML Schema bounds to 14 hours.
func zone(s string) (time.Duration, error) {
	if s == "Z" {
		return 0, nil
	}
	if len(s) != len("+hh:mm") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, ErrSyntax
	}
	hours, ok := digits(s[1:3])
	minutes, ok2 := digits(s[4:6])
	if !ok || !ok2 {
		return 0, ErrSyntax
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if minutes > 59 || offset > 14*time.Hour {
		return 0, ErrRange
	}
	if s[0] == '-' {
		offset = -offset
	}
	return offset, nil
}
