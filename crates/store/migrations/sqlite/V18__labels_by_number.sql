-- How many labels that replaced another lie in a range of numbers is asked when the range is voided: of a directory
-- that is mostly IMEIs and serial numbers, these are few.
CREATE INDEX identifier_label ON identifier (value) WHERE scheme = 'code' AND scope = 0;
