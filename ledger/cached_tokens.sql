-- Version 2: tokens sent that the provider had in its cache, and those that it wrote there.
ALTER TABLE answers ADD COLUMN cached INTEGER;
ALTER TABLE answers ADD COLUMN cache_written INTEGER;
