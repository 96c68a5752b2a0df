-- What the pair's source holds: everything that a database can have, in two services.
SET NAMES utf8mb4 COLLATE utf8mb4_general_ci;
CREATE DATABASE alpha_api CHARACTER SET utf8mb3;
CREATE DATABASE alpha CHARACTER SET utf8mb3;
CREATE DATABASE alpha_cell0 CHARACTER SET utf8mb3;
CREATE DATABASE `beta-1` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE DATABASE elsewhere;
CREATE TABLE elsewhere.untouched (id INT PRIMARY KEY);
CREATE USER alpha@'%' IDENTIFIED BY 'pw-alpha';
CREATE USER alpha@localhost IDENTIFIED BY 'pw-alpha';
CREATE USER beta@'%' IDENTIFIED BY 'p@ss/w:rd%';
CREATE USER stranger@'%' IDENTIFIED BY 'none of ours';
GRANT ALL ON alpha_api.* TO alpha@'%';
GRANT ALL ON alpha.* TO alpha@'%';
GRANT ALL ON alpha_cell0.* TO alpha@'%';
GRANT ALL ON alpha.* TO alpha@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON `beta-1`.* TO beta@'%';

USE alpha_api;
CREATE TABLE cell_mappings (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255),
  database_connection TEXT, transport_url TEXT);
INSERT INTO cell_mappings (name, database_connection, transport_url) VALUES
  ('cell0', 'mysql+pymysql://alpha:pw-alpha@10.73.0.11/alpha_cell0', 'none:///'),
  ('cell1', '{scheme}://{username}:{password}@{hostname}/alpha?{query}', 'rabbit://a:b@10.73.0.11/');
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('api1');

USE alpha;
CREATE TABLE things (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64) COLLATE utf8mb3_bin,
  size BIGINT, blob_of BLOB, at DATETIME(6), KEY ix_size (size)) ENGINE=InnoDB;
INSERT INTO things (name, size, blob_of, at) SELECT CONCAT('thing ', seq), seq * 7,
  UNHEX(MD5(seq)), '2026-01-01 00:00:00.123456' + INTERVAL seq SECOND FROM seq_1_to_5000;
INSERT INTO things VALUES (9000, 'it''s "odd"; \\ % ` -- #', NULL, 0x00FF0A0D1A27225C, NULL);
CREATE TABLE parts (id INT PRIMARY KEY, thing INT, CONSTRAINT fk_thing FOREIGN KEY (thing)
  REFERENCES things (id) ON DELETE CASCADE) ENGINE=InnoDB;
INSERT INTO parts SELECT seq, seq FROM seq_1_to_100;
CREATE TABLE heartbeats (id INT PRIMARY KEY, beats INT);
INSERT INTO heartbeats VALUES (1, 0);
CREATE VIEW big AS SELECT id, name FROM things WHERE size > 1000;
CREATE TRIGGER count_parts BEFORE INSERT ON parts FOR EACH ROW SET NEW.thing = IFNULL(NEW.thing, 1);
CREATE PROCEDURE forget(IN which INT) DELETE FROM things WHERE id = which;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM heartbeats WHERE id < 0;
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('main1');

USE alpha_cell0;
CREATE TABLE things LIKE alpha.things;
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('main1');

USE `beta-1`;
CREATE TABLE words (word VARCHAR(50) NOT NULL, KEY (word)) CHARACTER SET utf8mb4;
INSERT INTO words VALUES ('😀'), ('Ünal'), (''), ('ünal'), ('ÜNAL');

GRANT SELECT (id, name) ON alpha.things TO beta@'%';
