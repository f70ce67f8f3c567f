ALTER TABLE users ADD COLUMN notification_level TEXT NOT NULL DEFAULT 'digest';
