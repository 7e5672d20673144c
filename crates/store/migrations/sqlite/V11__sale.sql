-- What papers of a sale say that somebody of the house saw: the day of the invoice, and the day the
-- consumer had the unit. Beside `sold_on`, which is the consumer's own word.
ALTER TABLE unit ADD COLUMN invoiced_on TEXT;
ALTER TABLE unit ADD COLUMN delivered_on TEXT;
