package ws

import (
	"context"
	"encoding/json"
	"fmt"
)

// ReadJSON reads the next message, text or binary, into v as encoding/json
// does. A message that is not JSON is an error that leaves the connection
// alive.
func (c *Conn) ReadJSON(ctx context.Context, v any) error {
	_, p, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(p, v); err != nil {
		return fmt.Errorf("ws: message is not the JSON expected: %w", err)
	}
	return nil
}

// WriteJSON sends v as one text message of JSON.
func (c *Conn) WriteJSON(ctx context.Context, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("ws: %w", err)
	}
	return c.Write(ctx, Text, p)
}
