-- Zones for trying it out. A second run changes nothing.
INSERT IGNORE INTO domains (name, type) VALUES
  ('domain.com', 'NATIVE'), ('cloud.example', 'NATIVE'), ('10.in-addr.arpa', 'NATIVE');
INSERT INTO records (domain_id, name, type, content, ttl)
  SELECT d.id, d.name, 'SOA', 'ns1.domain.com hostmaster.domain.com 1 10800 3600 604800 3600', 3600 FROM domains d
  WHERE NOT EXISTS (SELECT * FROM records r WHERE r.domain_id = d.id AND r.type = 'SOA');
INSERT INTO records (domain_id, name, type, content, ttl)
  SELECT d.id, d.name, 'NS', 'ns1.domain.com', 3600 FROM domains d
  WHERE NOT EXISTS (SELECT * FROM records r WHERE r.domain_id = d.id AND r.type = 'NS');
