-- Where a key's digits come from: drawn, chosen, a phone number's (which is stored nowhere), or made up by the vendor when the key is made.
SET LOCAL lock_timeout = '10s';

ALTER TABLE keys ADD COLUMN pin_source text NOT NULL DEFAULT 'ours' CHECK (pin_source IN ('ours', 'vendor'));
ALTER TABLE keys ADD COLUMN pin_origin text NOT NULL DEFAULT 'random' CHECK (pin_origin IN
    ('random', 'chosen', 'phone_last', 'phone_other', 'phone_unfit', 'phone_missing', 'choice_missing', 'phone_of_another', 'vendor'));
-- The vendor makes up digits that open once.
ALTER TABLE keys ADD COLUMN one_time boolean NOT NULL DEFAULT false;
-- Digits of the vendor's belong to one credential, and die with it.
ALTER TABLE keys ADD COLUMN pin_credential_id uuid;
-- So often the vendor has made up digits for this key.
ALTER TABLE keys ADD COLUMN pins_made integer NOT NULL DEFAULT 0;
ALTER TABLE keys ALTER COLUMN pin_fingerprint DROP NOT NULL;
ALTER TABLE keys ALTER COLUMN pin_sealed DROP NOT NULL;
ALTER TABLE keys ADD CONSTRAINT keys_pin_known
    CHECK ((pin_sealed IS NULL) = (pin_fingerprint IS NULL) AND (pin_source = 'vendor' OR pin_sealed IS NOT NULL)) NOT VALID;
