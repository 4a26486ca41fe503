package quota

import (
	"errors"
	"math"
	"strings"

	"linnet/netsvc/config"
)

// Value is a limit: a number of bytes, Unlimited or Deny.
type Value int64

// The values that are not numbers of bytes.
const (
	Unlimited Value = math.MaxInt64
	Deny      Value = -1
	inherit   Value = -2 // none is set
)

// ParseValue reads "unlimited", "deny" or a size such as "500MB".
func ParseValue(text string) (Value, error) {
	switch text {
	case "unlimited":
		return Unlimited, nil
	case "deny":
		return Deny, nil
	}
	n, err := config.ParseBytes(text)
	if err != nil {
		return 0, errors.New(`a limit is "unlimited", "deny", or a size such as "500MB"`)
	}
	return Value(n), nil
}

// String writes what ParseValue reads; "" for a value that is not set.
func (v Value) String() string {
	switch v {
	case Unlimited:
		return "unlimited"
	case Deny:
		return "deny"
	case inherit:
		return ""
	}
	return config.FormatBytes(int64(v))
}

// Scope is what a limit is about.
type Scope uint8

// The scopes, in the order in which they are looked at.
const (
	File   Scope = iota // one flow
	User                // one user's month
	Domain              // the month of a domain or billing group
	Box                 // the month of this machine
	All                 // the month of all machines
	Credit              // a balance
	Rate                // bytes a second of a user, which relays keep to themselves: no Limit is of it
	scopes
)

var scopeNames = [...]string{"file", "user", "domain", "box", "all", "credit", "rate"}

// String returns the name that commands and metrics use.
func (s Scope) String() string { return scopeNames[s] }

// Limit is the error of a flow that may not go on. Its text may be shown to users.
type Limit struct {
	Scope Scope
	Who   string // the user, domain or group whose limit it is; "" for File, Box and All
	Value Value  // Deny, or the bytes that were allowed (of a Credit: that were left, 0)
}

// Error says which limit it is, in a sentence without a full stop.
func (l *Limit) Error() string {
	var b strings.Builder
	switch {
	case l.Scope == Credit:
		return "the credit of " + l.Who + " is used up"
	case l.Value == Deny && l.Who != "":
		return "transfers of " + l.Who + " are not allowed here"
	case l.Value == Deny:
		return "transfers are not allowed here"
	case l.Scope == File:
		b.WriteString("the limit for one transfer")
	case l.Scope == Box, l.Scope == All:
		b.WriteString("the monthly limit of this server")
	default:
		b.WriteString("the monthly limit of ")
		b.WriteString(l.Who)
	}
	b.WriteString(", ")
	b.WriteString(config.FormatBytes(int64(l.Value)))
	b.WriteString(", is reached")
	return b.String()
}
