-- What a key is: digits, or a card that is written at an encoder.
SET LOCAL lock_timeout = '10s';

ALTER TABLE keys ADD COLUMN kind text NOT NULL DEFAULT 'pin' CHECK (kind IN ('pin', 'card'));
-- The encoder's name at the vendor; cards have one, and nothing else.
ALTER TABLE keys ADD COLUMN encoder text CHECK ((encoder IS NOT NULL) = (kind = 'card') AND char_length(encoder) BETWEEN 1 AND 64);
-- It was made beside other keys of its stay, and leaves them alone; false if it ended whatever opened the room before. NULL until it stands.
ALTER TABLE keys ADD COLUMN joins boolean;
