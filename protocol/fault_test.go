package protocol

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"duplex/wire"
)

var faults = []*Fault{
	ErrUnmasked, ErrMasked, ErrReservedBits, ErrReservedOpcode, ErrLengthTopBit, ErrLengthForm,
	ErrFragmentedControl, ErrLongControl, ErrOrphanContinuation, ErrInterruptedMessage, ErrInvalidUTF8,
	ErrCloseLength, ErrCloseCode, ErrCloseReason, ErrMessageTooBig, ErrTooManyFragments, ErrOverBudget, ErrCorrupt,
}

// TestFaults: each can go out in a Close frame as it is (§5.5.1), and names are
// unique.
func TestFaults(t *testing.T) {
	names := map[string]bool{}
	for _, f := range faults {
		if !f.Code.Sendable() || len(f.Text) > wire.MaxReason || !utf8.ValidString(f.Text) || f.Text == "" {
			t.Errorf("%s: cannot stand in a Close frame", f.Name)
		}
		if names[f.Name] || f.Name != strings.ToLower(f.Name) || strings.ContainsAny(f.Name, " _") {
			t.Errorf("%q: not a good name", f.Name)
		}
		names[f.Name] = true
		if limit := f.Section == ""; limit != (f.Code == 1009 || f.Code == 1013) {
			t.Errorf("%s: section %q", f.Name, f.Section)
		}
	}
	if s := ErrUnmasked.Error(); s != "a client's frame is not masked (RFC 6455 §5.1)" {
		t.Error(s)
	}
	if s := ErrMessageTooBig.Error(); s != "a message over the limit" {
		t.Error(s)
	}
}

func TestCloseError(t *testing.T) {
	for _, c := range []struct {
		err  CloseError
		want string
	}{
		{CloseError{Code: 1000, Remote: true}, "connection closed by peer with 1000 (normal closure)"},
		{CloseError{Code: 1001, Reason: "bye", Remote: true}, `connection closed by peer with 1001 (going away): "bye"`},
		{CloseError{Code: 1000, Reason: "done"}, `connection closed by us with 1000 (normal closure): "done"`},
		{CloseError{Code: 1002, Err: ErrMasked}, "connection failed with 1002 (protocol error): a server's frame is masked (RFC 6455 §5.1)"},
		{CloseError{Code: 1006, Err: ErrNoClose}, "connection failed with 1006 (no Close frame): the stream ended without a Close frame"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	err := fmt.Errorf("read: %w", &CloseError{Code: 1002, Err: ErrMasked})
	var f *Fault
	if !errors.Is(err, ErrMasked) || errors.Is(err, ErrUnmasked) || errors.Is(err, io.EOF) || !errors.As(err, &f) || f.Name != "masked-frame" {
		t.Error("the fault is not found below its CloseError")
	}
}
