-- An appeal may be filed in somebody's name. Nobody who filed one, or in whose name one was filed, decides it.
ALTER TABLE commands ADD COLUMN IF NOT EXISTS on_behalf_of String COMMENT 'appeal: the person in whose name it is filed, or empty';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS on_behalf_of String COMMENT 'appeal: in whose name it was filed, or empty';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS parties Array(String) COMMENT 'Everybody who filed an appeal, or in whose name one was filed: they judge it no more';
