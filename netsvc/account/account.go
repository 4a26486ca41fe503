package account

import (
	"errors"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/wire/jid"
)

// ID is the number of an account: never 0, never used again.
type ID uint64

// Role is what an account may do: what its commands are checked for. The zero Role,
// of who has no account, is no role at all.
type Role = command.Role

// The roles.
const (
	User     = command.User
	Operator = command.Operator
	Admin    = command.Admin
)

// ParseRole reads what String wrote.
func ParseRole(s string) (Role, bool) {
	for r := User; r <= Admin; r++ {
		if r.String() == s {
			return r, true
		}
	}
	return User, false
}

// Account is what is known of one account: a value, as it was when it was read.
type Account struct {
	ID      ID
	JID     jid.JID // bare
	Created time.Time
	Role    Role // as stored; Accounts.RoleOf adds what the configuration says

	Disabled      bool      // may not log in
	DisabledSince time.Time // and why and since when
	Reason        string    // for administrators
}

// ChangeKind says what happened to an account.
type ChangeKind uint8

// The kinds of changes.
const (
	Created ChangeKind = iota + 1
	Deleted
	Disabled
	Enabled
	PasswordChanged
	RoleChanged
)

// Change is what watchers are told. Account is the new state; of a deleted one,
// the last.
type Change struct {
	Kind    ChangeKind
	Account Account
}

// The errors of Accounts. Their texts may be shown to administrators.
var (
	ErrExists     = errors.New("the account exists already")
	ErrNone       = errors.New("there is no such account")
	ErrName       = errors.New("an account's address is name@domain, without a resource")
	ErrHost       = errors.New("the domain is not served here")
	ErrPassword   = errors.New("the password is empty or holds characters that are not allowed")
	ErrInvitation = errors.New("the invitation is unknown, used up or expired")
	errBusy       = errors.New("account: the row was changed by others at each try")
)
