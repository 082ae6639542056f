package protocol

import (
	"strconv"

	"duplex/wire"
)

// Fault is a rule that the peer broke, or a limit of ours that it passed. The
// machine then fails the connection (RFC 6455 §7.1.7): the Close frame that
// goes out carries Code and Text, and the application sees the same Fault
// inside its CloseError. Faults are compared with errors.Is.
type Fault struct {
	// Code is the status code that the Close frame carries.
	Code wire.CloseCode
	// Name is stable and machine-readable: "unmasked-frame".
	Name string
	// Section is where the rule stands: "RFC 6455 §5.1"; empty for limits.
	Section string
	// Text is one sentence for people, short enough for a close reason.
	Text string
}

// Error returns the text with its section.
func (f *Fault) Error() string {
	if f.Section == "" {
		return f.Text
	}
	return f.Text + " (" + f.Section + ")"
}

func fault(code wire.CloseCode, name, section, text string) *Fault {
	return &Fault{code, name, section, text}
}

// The faults, one a rule.
var (
	ErrUnmasked = fault(wire.CloseProtocolError, "unmasked-frame", "RFC 6455 §5.1",
		"a client's frame is not masked")
	ErrMasked = fault(wire.CloseProtocolError, "masked-frame", "RFC 6455 §5.1",
		"a server's frame is masked")
	ErrReservedBits = fault(wire.CloseProtocolError, "reserved-bits", "RFC 6455 §5.2",
		"a reserved bit is set that no extension gave a meaning")
	ErrReservedOpcode = fault(wire.CloseProtocolError, "reserved-opcode", "RFC 6455 §5.2",
		"a reserved opcode")
	ErrLengthTopBit = fault(wire.CloseProtocolError, "length-top-bit", "RFC 6455 §5.2",
		"a 64-bit length with its top bit set")
	ErrLengthForm = fault(wire.CloseProtocolError, "length-form", "RFC 6455 §5.2",
		"a length not in its shortest form")
	ErrFragmentedControl = fault(wire.CloseProtocolError, "fragmented-control", "RFC 6455 §5.5",
		"a fragmented control frame")
	ErrLongControl = fault(wire.CloseProtocolError, "long-control", "RFC 6455 §5.5",
		"a control frame of more than 125 bytes")
	ErrOrphanContinuation = fault(wire.CloseProtocolError, "orphan-continuation", "RFC 6455 §5.4",
		"a continuation without a message (a device echoing fragments with FIN on each?)")
	ErrInterruptedMessage = fault(wire.CloseProtocolError, "interrupted-message", "RFC 6455 §5.4",
		"a new message inside a fragmented one")
	ErrInvalidUTF8 = fault(wire.CloseInvalidPayload, "invalid-utf8", "RFC 6455 §8.1",
		"text that is not UTF-8")
	ErrCloseLength = fault(wire.CloseProtocolError, "close-length", "RFC 6455 §5.5.1",
		"a Close frame with a payload of one byte")
	ErrCloseCode = fault(wire.CloseProtocolError, "close-code", "RFC 6455 §7.4",
		"a Close frame with a status code that must not be sent")
	ErrCloseReason = fault(wire.CloseInvalidPayload, "close-reason", "RFC 6455 §5.5.1",
		"a close reason that is not UTF-8")
	ErrMessageTooBig = fault(wire.CloseMessageTooBig, "message-too-big", "",
		"a message over the limit")
	ErrTooManyFragments = fault(wire.CloseMessageTooBig, "too-many-fragments", "",
		"a message of too many fragments")
	ErrOverBudget = fault(wire.CloseTryAgainLater, "over-budget", "",
		"too many unfinished messages: the memory set aside for them is in use")
	ErrCorrupt = fault(wire.CloseInvalidPayload, "corrupt-compression", "RFC 7692 §7.2.2",
		"compressed data that cannot be decompressed")
)

// CloseError says how a connection ended. It is what the machine's Next returns
// for good once the connection is over.
type CloseError struct {
	// Code of the Close frame that ended the connection: the peer's if Remote,
	// else ours, or what ours would have said had it not been sent before.
	// wire.CloseNoStatus when the peer's frame had none, wire.CloseAbnormal when
	// the stream ended without a Close frame.
	Code wire.CloseCode
	// Reason is the text beside the code, at most 123 bytes.
	Reason string
	// Remote is true when the peer's Close frame came before we found fault.
	Remote bool
	// Err is the cause on our side: a *Fault, or why the stream ended; nil for
	// a closing handshake that went well.
	Err error
}

// Error describes the end in one line.
func (e *CloseError) Error() string {
	if e.Err != nil && !e.Remote {
		return "connection failed with " + codeText(e.Code) + ": " + e.Err.Error()
	}
	s := "connection closed by "
	if e.Remote {
		s += "peer"
	} else {
		s += "us"
	}
	s += " with " + codeText(e.Code)
	if e.Reason != "" {
		s += ": " + strconv.Quote(e.Reason)
	}
	return s
}

// Unwrap returns Err, so that errors.Is finds the Fault or the cause below it.
func (e *CloseError) Unwrap() error { return e.Err }

func codeText(c wire.CloseCode) string {
	return strconv.Itoa(int(c)) + " (" + c.String() + ")"
}
