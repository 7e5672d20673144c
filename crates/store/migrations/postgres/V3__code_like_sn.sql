-- Whether any serial number has the form of a trace code. While none has, a text that is a code of
-- ours need not be looked up as a serial number too, at every look of every visitor.
-- The twin for the other engine has the same text.
INSERT INTO version (name, value) SELECT 'code_like_sn', 1 WHERE EXISTS
  (SELECT 1 FROM identifier WHERE scheme = 'sn' AND length(value) = 13);
