-- To be run once the tables are built, and again when they have changed.
CREATE EXTERNAL LOCATION IF NOT EXISTS `main_lake` URL 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake' WITH (STORAGE CREDENTIAL `lakehouse`) COMMENT 'The Delta tables of the lakehouse';
CREATE EXTERNAL LOCATION IF NOT EXISTS `main_landing` URL 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/landing' WITH (STORAGE CREDENTIAL `lakehouse`) COMMENT 'The files that land for the lakehouse';
CREATE CATALOG IF NOT EXISTS `main`;
GRANT USE CATALOG ON CATALOG `main` TO `airlines`;
GRANT READ FILES, WRITE FILES, CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `main_lake` TO `airlines`;
GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION `main_landing` TO `airlines`;
CREATE SCHEMA IF NOT EXISTS `main`.`airlines_bronze` COMMENT 'The bronze tables of airlines. Every airlines table, from what has landed to what is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`airlines_bronze` TO `airlines`;
CREATE SCHEMA IF NOT EXISTS `main`.`airlines_silver` COMMENT 'The silver tables of airlines. Every airlines table, from what has landed to what is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`airlines_silver` TO `airlines`;
CREATE SCHEMA IF NOT EXISTS `main`.`airlines_quarantine` COMMENT 'The quarantine tables of airlines. Every airlines table, from what has landed to what is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`airlines_quarantine` TO `airlines`;
CREATE SCHEMA IF NOT EXISTS `main`.`airlines_state` COMMENT 'The state tables of airlines. Every airlines table, from what has landed to what is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`airlines_state` TO `airlines`;
CREATE SCHEMA IF NOT EXISTS `main`.`airlines_gold` COMMENT 'The gold tables of airlines. Every airlines table, from what has landed to what is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`airlines_gold` TO `airlines`;
CREATE SCHEMA IF NOT EXISTS `main`.`airlines_features` COMMENT 'The features tables of airlines. Every airlines table, from what has landed to what is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`airlines_features` TO `airlines`;
GRANT USE CATALOG ON CATALOG `main` TO `ecommerce`;
GRANT READ FILES, WRITE FILES, CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `main_lake` TO `ecommerce`;
GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION `main_landing` TO `ecommerce`;
CREATE SCHEMA IF NOT EXISTS `main`.`ecommerce_bronze` COMMENT 'The bronze tables of ecommerce. Every ecommerce table, from what has landed to sales, customers\' value and churn.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`ecommerce_bronze` TO `ecommerce`;
CREATE SCHEMA IF NOT EXISTS `main`.`ecommerce_silver` COMMENT 'The silver tables of ecommerce. Every ecommerce table, from what has landed to sales, customers\' value and churn.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`ecommerce_silver` TO `ecommerce`;
CREATE SCHEMA IF NOT EXISTS `main`.`ecommerce_quarantine` COMMENT 'The quarantine tables of ecommerce. Every ecommerce table, from what has landed to sales, customers\' value and churn.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`ecommerce_quarantine` TO `ecommerce`;
CREATE SCHEMA IF NOT EXISTS `main`.`ecommerce_state` COMMENT 'The state tables of ecommerce. Every ecommerce table, from what has landed to sales, customers\' value and churn.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`ecommerce_state` TO `ecommerce`;
CREATE SCHEMA IF NOT EXISTS `main`.`ecommerce_gold` COMMENT 'The gold tables of ecommerce. Every ecommerce table, from what has landed to sales, customers\' value and churn.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`ecommerce_gold` TO `ecommerce`;
GRANT USE CATALOG ON CATALOG `main` TO `finance`;
GRANT READ FILES, WRITE FILES, CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `main_lake` TO `finance`;
GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION `main_landing` TO `finance`;
CREATE SCHEMA IF NOT EXISTS `main`.`finance_bronze` COMMENT 'The bronze tables of finance. Every finance table, from transactions that have landed to where fraud is found.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`finance_bronze` TO `finance`;
CREATE SCHEMA IF NOT EXISTS `main`.`finance_silver` COMMENT 'The silver tables of finance. Every finance table, from transactions that have landed to where fraud is found.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`finance_silver` TO `finance`;
CREATE SCHEMA IF NOT EXISTS `main`.`finance_quarantine` COMMENT 'The quarantine tables of finance. Every finance table, from transactions that have landed to where fraud is found.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`finance_quarantine` TO `finance`;
CREATE SCHEMA IF NOT EXISTS `main`.`finance_state` COMMENT 'The state tables of finance. Every finance table, from transactions that have landed to where fraud is found.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`finance_state` TO `finance`;
CREATE SCHEMA IF NOT EXISTS `main`.`finance_gold` COMMENT 'The gold tables of finance. Every finance table, from transactions that have landed to where fraud is found.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`finance_gold` TO `finance`;
GRANT USE CATALOG ON CATALOG `main` TO `reliability`;
GRANT READ FILES, WRITE FILES, CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `main_lake` TO `reliability`;
GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION `main_landing` TO `reliability`;
CREATE SCHEMA IF NOT EXISTS `main`.`iot_bronze` COMMENT 'The bronze tables of iot. Every iot table, from the readings that have landed to failure rates and lives of engines.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`iot_bronze` TO `reliability`;
CREATE SCHEMA IF NOT EXISTS `main`.`iot_silver` COMMENT 'The silver tables of iot. Every iot table, from the readings that have landed to failure rates and lives of engines.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`iot_silver` TO `reliability`;
CREATE SCHEMA IF NOT EXISTS `main`.`iot_quarantine` COMMENT 'The quarantine tables of iot. Every iot table, from the readings that have landed to failure rates and lives of engines.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`iot_quarantine` TO `reliability`;
CREATE SCHEMA IF NOT EXISTS `main`.`iot_state` COMMENT 'The state tables of iot. Every iot table, from the readings that have landed to failure rates and lives of engines.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`iot_state` TO `reliability`;
CREATE SCHEMA IF NOT EXISTS `main`.`iot_gold` COMMENT 'The gold tables of iot. Every iot table, from the readings that have landed to failure rates and lives of engines.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`iot_gold` TO `reliability`;
GRANT USE CATALOG ON CATALOG `main` TO `catalogue`;
GRANT READ FILES, WRITE FILES, CREATE EXTERNAL TABLE ON EXTERNAL LOCATION `main_lake` TO `catalogue`;
GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION `main_landing` TO `catalogue`;
CREATE SCHEMA IF NOT EXISTS `main`.`netflix_bronze` COMMENT 'The bronze tables of netflix. Every Netflix table, from the dumps on the web to the catalogue that is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`netflix_bronze` TO `catalogue`;
CREATE SCHEMA IF NOT EXISTS `main`.`netflix_silver` COMMENT 'The silver tables of netflix. Every Netflix table, from the dumps on the web to the catalogue that is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`netflix_silver` TO `catalogue`;
CREATE SCHEMA IF NOT EXISTS `main`.`netflix_quarantine` COMMENT 'The quarantine tables of netflix. Every Netflix table, from the dumps on the web to the catalogue that is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`netflix_quarantine` TO `catalogue`;
CREATE SCHEMA IF NOT EXISTS `main`.`netflix_state` COMMENT 'The state tables of netflix. Every Netflix table, from the dumps on the web to the catalogue that is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`netflix_state` TO `catalogue`;
CREATE SCHEMA IF NOT EXISTS `main`.`netflix_gold` COMMENT 'The gold tables of netflix. Every Netflix table, from the dumps on the web to the catalogue that is reported.';
GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA `main`.`netflix_gold` TO `catalogue`;
CREATE TABLE IF NOT EXISTS `main`.`airlines_bronze`.`airports` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/bronze/airports';
COMMENT ON TABLE `main`.`airlines_bronze`.`airports` IS 'Airports as delivered: code, name, place and time zone, every cell as text.';
ALTER TABLE `main`.`airlines_bronze`.`airports` SET TAGS ('domain' = 'airlines', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`airlines_bronze`.`carriers` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/bronze/carriers';
COMMENT ON TABLE `main`.`airlines_bronze`.`carriers` IS 'Carriers as delivered: code and name.';
ALTER TABLE `main`.`airlines_bronze`.`carriers` SET TAGS ('domain' = 'airlines', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`airlines_bronze`.`flights` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/bronze/flights';
COMMENT ON TABLE `main`.`airlines_bronze`.`flights` IS 'Flights from New York as the feed delivers them, one file a day: every cell as text, `NA` as null.';
ALTER TABLE `main`.`airlines_bronze`.`flights` SET TAGS ('domain' = 'airlines', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`airlines_bronze`.`planes` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/bronze/planes';
COMMENT ON TABLE `main`.`airlines_bronze`.`planes` IS 'Registered planes as delivered: tail number, maker, model, seats, every cell as text, `NA` as null.';
ALTER TABLE `main`.`airlines_bronze`.`planes` SET TAGS ('domain' = 'airlines', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`airlines_bronze`.`weather` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/bronze/weather';
COMMENT ON TABLE `main`.`airlines_bronze`.`weather` IS 'Hourly weather at the New York airports as the feed delivers it, one file a day: every cell as text, `NA` as null.';
ALTER TABLE `main`.`airlines_bronze`.`weather` SET TAGS ('domain' = 'airlines', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_bronze`.`order_lines` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/bronze/order_lines';
COMMENT ON TABLE `main`.`ecommerce_bronze`.`order_lines` IS 'Lines of the gift shop\'s invoices as delivered, one file a day: every cell as text.';
ALTER TABLE `main`.`ecommerce_bronze`.`order_lines` SET TAGS ('domain' = 'ecommerce', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_bronze`.`purchases` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/bronze/purchases';
COMMENT ON TABLE `main`.`ecommerce_bronze`.`purchases` IS 'Purchases of CDs as delivered, a row a line: customer, day, number of CDs and dollars, set apart by blanks.

The first line of a file names its columns.';
ALTER TABLE `main`.`ecommerce_bronze`.`purchases` SET TAGS ('domain' = 'ecommerce', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_bronze`.`subscribers` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/bronze/subscribers';
COMMENT ON TABLE `main`.`ecommerce_bronze`.`subscribers` IS 'Subscribers of a telephone company as delivered, with who left in the last month: every cell as text.';
ALTER TABLE `main`.`ecommerce_bronze`.`subscribers` SET TAGS ('domain' = 'ecommerce', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`finance_bronze`.`card_transactions` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/bronze/card_transactions';
COMMENT ON TABLE `main`.`finance_bronze`.`card_transactions` IS 'Card transactions as delivered, with which are fraud: every cell as text.';
ALTER TABLE `main`.`finance_bronze`.`card_transactions` SET TAGS ('domain' = 'finance', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`finance_bronze`.`payments` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/bronze/payments';
COMMENT ON TABLE `main`.`finance_bronze`.`payments` IS 'Mobile payments of the PaySim simulation as delivered, with which are fraud: every cell as text.';
ALTER TABLE `main`.`finance_bronze`.`payments` SET TAGS ('domain' = 'finance', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`iot_bronze`.`anomaly_windows` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/bronze/anomaly_windows';
COMMENT ON TABLE `main`.`iot_bronze`.`anomaly_windows` IS 'The times in which the temperature was not as it should be, as people labelled them: every cell as text.';
ALTER TABLE `main`.`iot_bronze`.`anomaly_windows` SET TAGS ('domain' = 'iot', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`iot_bronze`.`engine_cycles` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/bronze/engine_cycles';
COMMENT ON TABLE `main`.`iot_bronze`.`engine_cycles` IS 'Cycles of jet engines as delivered, a row a flight: engine, cycle, three settings and 21 sensors, all as text.

The name of the file, as `train_FD001.txt`, tells what its engines are for.';
ALTER TABLE `main`.`iot_bronze`.`engine_cycles` SET TAGS ('domain' = 'iot', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`iot_bronze`.`engine_lives` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/bronze/engine_lives';
COMMENT ON TABLE `main`.`iot_bronze`.`engine_lives` IS 'How many cycles were left to the engines of a test, as delivered: the first line is engine 1, and so on.';
ALTER TABLE `main`.`iot_bronze`.`engine_lives` SET TAGS ('domain' = 'iot', 'layer' = 'bronze');
ALTER TABLE `main`.`iot_bronze`.`engine_lives` ALTER COLUMN `line` COMMENT 'In its file, from 1.';
CREATE TABLE IF NOT EXISTS `main`.`iot_bronze`.`machine_readings` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/bronze/machine_readings';
COMMENT ON TABLE `main`.`iot_bronze`.`machine_readings` IS 'Readings of the milling machine as delivered, with its failures: every cell as text.';
ALTER TABLE `main`.`iot_bronze`.`machine_readings` SET TAGS ('domain' = 'iot', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`iot_bronze`.`temperatures` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/bronze/temperatures';
COMMENT ON TABLE `main`.`iot_bronze`.`temperatures` IS 'Temperatures of a machine as delivered, one in five minutes: every cell as text.';
ALTER TABLE `main`.`iot_bronze`.`temperatures` SET TAGS ('domain' = 'iot', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`netflix_bronze`.`cast` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/bronze/cast';
COMMENT ON TABLE `main`.`netflix_bronze`.`cast` IS 'Who plays in which title, as the dumps have it.';
ALTER TABLE `main`.`netflix_bronze`.`cast` SET TAGS ('domain' = 'netflix', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`netflix_bronze`.`catalogue` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/bronze/catalogue';
COMMENT ON TABLE `main`.`netflix_bronze`.`catalogue` IS 'Dumps of a newer kind, a file with all of a title in its row; land them as `catalogue/<date>.csv`.';
ALTER TABLE `main`.`netflix_bronze`.`catalogue` SET TAGS ('domain' = 'netflix', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`netflix_bronze`.`category` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/bronze/category';
COMMENT ON TABLE `main`.`netflix_bronze`.`category` IS 'The genres of each title, as the dumps have them.';
ALTER TABLE `main`.`netflix_bronze`.`category` SET TAGS ('domain' = 'netflix', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`netflix_bronze`.`countries` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/bronze/countries';
COMMENT ON TABLE `main`.`netflix_bronze`.`countries` IS 'Where each title was produced, as the dumps have it.';
ALTER TABLE `main`.`netflix_bronze`.`countries` SET TAGS ('domain' = 'netflix', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`netflix_bronze`.`directors` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/bronze/directors';
COMMENT ON TABLE `main`.`netflix_bronze`.`directors` IS 'Who directed which title, as the dumps have it.';
ALTER TABLE `main`.`netflix_bronze`.`directors` SET TAGS ('domain' = 'netflix', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`netflix_bronze`.`titles` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/bronze/titles';
COMMENT ON TABLE `main`.`netflix_bronze`.`titles` IS 'Titles as the dumps have them, a row a line: every cell as text, with records that were broken over two lines.';
ALTER TABLE `main`.`netflix_bronze`.`titles` SET TAGS ('domain' = 'netflix', 'layer' = 'bronze');
CREATE TABLE IF NOT EXISTS `main`.`airlines_silver`.`airports` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/silver/airports';
COMMENT ON TABLE `main`.`airlines_silver`.`airports` IS 'Airports, one row each, with their place and time zone.';
ALTER TABLE `main`.`airlines_silver`.`airports` SET TAGS ('domain' = 'airlines', 'layer' = 'silver');
ALTER TABLE `main`.`airlines_silver`.`airports` ALTER COLUMN `airport` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_silver`.`airports` ALTER COLUMN `latitude` COMMENT 'Degrees, north positive.';
ALTER TABLE `main`.`airlines_silver`.`airports` ALTER COLUMN `longitude` COMMENT 'Degrees, east positive.';
ALTER TABLE `main`.`airlines_silver`.`airports` ALTER COLUMN `time_zone` COMMENT 'IANA name, as America/New_York.';
ALTER TABLE `main`.`airlines_silver`.`airports` ALTER COLUMN `airport` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`airports` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_silver`.`airports` ADD CONSTRAINT `airports_key` PRIMARY KEY (`airport`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_silver`.`carriers` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/silver/carriers';
COMMENT ON TABLE `main`.`airlines_silver`.`carriers` IS 'Carriers by their two-character code, a row for each name one has had since the feed told of it (SCD 2).';
ALTER TABLE `main`.`airlines_silver`.`carriers` SET TAGS ('domain' = 'airlines', 'layer' = 'silver');
ALTER TABLE `main`.`airlines_silver`.`carriers` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`carriers` ALTER COLUMN `valid_from` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`carriers` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_silver`.`carriers` ADD CONSTRAINT `carriers_key` PRIMARY KEY (`carrier`, `valid_from`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_silver`.`planes` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/silver/planes';
COMMENT ON TABLE `main`.`airlines_silver`.`planes` IS 'Planes by tail number, a row for each state of one since the register told of it (SCD 2).';
ALTER TABLE `main`.`airlines_silver`.`planes` SET TAGS ('domain' = 'airlines', 'layer' = 'silver');
ALTER TABLE `main`.`airlines_silver`.`planes` ALTER COLUMN `cruising_speed_mph` COMMENT 'Known for few planes.';
ALTER TABLE `main`.`airlines_silver`.`planes` ALTER COLUMN `engine` COMMENT 'Kind of engine, as Turbo-fan.';
ALTER TABLE `main`.`airlines_silver`.`planes` ALTER COLUMN `tail_number` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`planes` ALTER COLUMN `valid_from` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`planes` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_silver`.`planes` ADD CONSTRAINT `planes_key` PRIMARY KEY (`tail_number`, `valid_from`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_silver`.`weather` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/silver/weather';
COMMENT ON TABLE `main`.`airlines_silver`.`weather` IS 'Weather at the New York airports, one row per airport and hour (UTC).';
ALTER TABLE `main`.`airlines_silver`.`weather` SET TAGS ('domain' = 'airlines', 'layer' = 'silver');
ALTER TABLE `main`.`airlines_silver`.`weather` ALTER COLUMN `observed_at` COMMENT 'The hour, UTC.';
ALTER TABLE `main`.`airlines_silver`.`weather` ALTER COLUMN `airport` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`weather` ALTER COLUMN `observed_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`weather` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_silver`.`weather` ADD CONSTRAINT `weather_key` PRIMARY KEY (`airport`, `observed_at`);
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_silver`.`order_lines` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/silver/order_lines';
COMMENT ON TABLE `main`.`ecommerce_silver`.`order_lines` IS 'Lines of the invoices of a British gift shop, one row each, with cancellations and adjustments told apart.

A cancellation\'s number begins with C, and its quantities are negative; that of an adjustment for bad debt begins with
A. A line that an invoice has twice is on the invoice twice, as the feed numbers no lines: such are kept, and `repeated`
is true of all but the first. One line in four names no customer.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` SET TAGS ('domain' = 'ecommerce', 'layer' = 'silver');
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `invoice` COMMENT 'Six digits; with C before them a cancellation, with A bad debt.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `line` COMMENT 'Its place in the invoice by stock code; the feed has no order.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `stock_code` COMMENT 'Also of postage (POST) and fees.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `quantity` COMMENT 'Negative when cancelled, or written off.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `unit_price` COMMENT 'Pounds.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `amount` COMMENT 'Pounds: quantity times price.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `invoiced_at` COMMENT 'By the shop\'s clock, which is taken for UTC.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `country` COMMENT 'Where the customer lives; Unspecified where unknown.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `repeated` COMMENT 'The invoice has the same line before.';
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `invoice` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ALTER COLUMN `line` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`ecommerce_silver`.`order_lines` ADD CONSTRAINT `order_lines_key` PRIMARY KEY (`invoice`, `line`);
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_silver`.`purchases` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/silver/purchases';
COMMENT ON TABLE `main`.`ecommerce_silver`.`purchases` IS 'Purchases of CDs at CDNOW by customers who first bought in the first quarter of 1997, until June 1998.

There is no order number, so two equal purchases of a customer on a day can\'t be told from one that is written twice.
The published totals count all of them, and so do we: `nth` tells them apart. A purchase may be of nothing to pay.';
ALTER TABLE `main`.`ecommerce_silver`.`purchases` SET TAGS ('domain' = 'ecommerce', 'layer' = 'silver');
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `customer_id` COMMENT 'Five digits, with leading zeros.';
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `cds` COMMENT 'How many.';
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `nth` COMMENT '1, or more of a purchase that the day has before.';
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `customer_id` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `purchased_on` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `cds` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `amount_usd` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ALTER COLUMN `nth` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`purchases` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`ecommerce_silver`.`purchases` ADD CONSTRAINT `purchases_key` PRIMARY KEY (`customer_id`, `purchased_on`, `cds`, `amount_usd`, `nth`);
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_silver`.`subscribers` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/silver/subscribers';
COMMENT ON TABLE `main`.`ecommerce_silver`.`subscribers` IS 'Subscribers of a telephone company, one row each, with what they pay for and whether they left in the last month.

It\'s a snapshot without a date: nothing tells when somebody left. A new subscriber, of tenure 0, has paid nothing yet.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` SET TAGS ('domain' = 'ecommerce', 'layer' = 'silver');
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `partner` COMMENT 'Lives with one.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `dependents` COMMENT 'Lives with some.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `tenure_months` COMMENT '0 in the first month.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `multiple_lines` COMMENT 'Yes, No or No phone service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `internet` COMMENT 'DSL, Fiber optic or No.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `online_security` COMMENT 'Yes, No or No internet service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `online_backup` COMMENT 'Yes, No or No internet service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `device_protection` COMMENT 'Yes, No or No internet service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `tech_support` COMMENT 'Yes, No or No internet service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `streaming_tv` COMMENT 'Yes, No or No internet service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `streaming_movies` COMMENT 'Yes, No or No internet service.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `contract` COMMENT 'Month-to-month, One year or Two year.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `monthly_charges` COMMENT 'Dollars.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `total_charges` COMMENT 'Dollars; null in the first month.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `churned` COMMENT 'Left in the last month.';
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ALTER COLUMN `customer_id` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`ecommerce_silver`.`subscribers` ADD CONSTRAINT `subscribers_key` PRIMARY KEY (`customer_id`);
CREATE TABLE IF NOT EXISTS `main`.`finance_silver`.`card_transactions` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/silver/card_transactions';
COMMENT ON TABLE `main`.`finance_silver`.`card_transactions` IS 'Card transactions of two days of September 2013, one row each, with which are fraud.

Mind the base rate: of the 284,807 transactions that are published 492 are fraud (0.17 %), while in a sample with all
of those and few others 28 % may be. Transactions have no number of their own; two that are equal in everything are
taken for one. Features V1 to V28 are principal components of what isn\'t published.';
ALTER TABLE `main`.`finance_silver`.`card_transactions` SET TAGS ('domain' = 'finance', 'layer' = 'silver');
ALTER TABLE `main`.`finance_silver`.`card_transactions` ALTER COLUMN `transaction_id` COMMENT 'SHA-256 of all cells.';
ALTER TABLE `main`.`finance_silver`.`card_transactions` ALTER COLUMN `seconds` COMMENT 'Since the first transaction of the data set.';
ALTER TABLE `main`.`finance_silver`.`card_transactions` ALTER COLUMN `hour` COMMENT '0 to 47: whole hours since the first transaction.';
ALTER TABLE `main`.`finance_silver`.`card_transactions` ALTER COLUMN `amount` COMMENT 'Euros.';
ALTER TABLE `main`.`finance_silver`.`card_transactions` ALTER COLUMN `transaction_id` SET NOT NULL;
ALTER TABLE `main`.`finance_silver`.`card_transactions` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`finance_silver`.`card_transactions` ADD CONSTRAINT `card_transactions_key` PRIMARY KEY (`transaction_id`);
CREATE TABLE IF NOT EXISTS `main`.`finance_silver`.`payments` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/silver/payments';
COMMENT ON TABLE `main`.`finance_silver`.`payments` IS 'Mobile payments of a simulated month (PaySim), one row each, with which are fraud.

Mind the base rate: of the 6.4 million payments that are published 0.13 % are fraud, while a sample may have far more.
The balances after a payment tell of the fraud itself, and are no input of a prediction. In most rows they don\'t add
up. Payments have no number of their own: two of an hour with equal accounts, type and amount are taken for one.';
ALTER TABLE `main`.`finance_silver`.`payments` SET TAGS ('domain' = 'finance', 'layer' = 'silver');
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `step` COMMENT 'Hour of the simulation, from 1.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `type` COMMENT 'CASH_IN, CASH_OUT, DEBIT, PAYMENT or TRANSFER.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payer` COMMENT 'Account: like a person\'s, though simulated.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payer_before` COMMENT 'Balance.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payer_after` COMMENT 'Balance; tells of the fraud.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payee` COMMENT 'Account; M is a merchant\'s, whose balances are 0.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payee_before` COMMENT 'Balance.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payee_after` COMMENT 'Balance; tells of the fraud.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `is_flagged` COMMENT 'By the simulation\'s own rule.';
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `step` SET NOT NULL;
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `type` SET NOT NULL;
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `amount` SET NOT NULL;
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payer` SET NOT NULL;
ALTER TABLE `main`.`finance_silver`.`payments` ALTER COLUMN `payee` SET NOT NULL;
ALTER TABLE `main`.`finance_silver`.`payments` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`finance_silver`.`payments` ADD CONSTRAINT `payments_key` PRIMARY KEY (`step`, `type`, `amount`, `payer`, `payee`);
CREATE TABLE IF NOT EXISTS `main`.`iot_silver`.`anomaly_windows` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/silver/anomaly_windows';
COMMENT ON TABLE `main`.`iot_silver`.`anomaly_windows` IS 'The times in which the temperature was not as it should be, as people who know the machine labelled them.';
ALTER TABLE `main`.`iot_silver`.`anomaly_windows` SET TAGS ('domain' = 'iot', 'layer' = 'silver');
ALTER TABLE `main`.`iot_silver`.`anomaly_windows` ALTER COLUMN `ends_at` COMMENT 'Included.';
ALTER TABLE `main`.`iot_silver`.`anomaly_windows` ALTER COLUMN `begins_at` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`anomaly_windows` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_silver`.`anomaly_windows` ADD CONSTRAINT `anomaly_windows_key` PRIMARY KEY (`begins_at`);
CREATE TABLE IF NOT EXISTS `main`.`iot_silver`.`engine_lives` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/silver/engine_lives';
COMMENT ON TABLE `main`.`iot_silver`.`engine_lives` IS 'How many cycles were left to each engine of a test when its readings were cut off: the truth of C-MAPSS.';
ALTER TABLE `main`.`iot_silver`.`engine_lives` SET TAGS ('domain' = 'iot', 'layer' = 'silver');
ALTER TABLE `main`.`iot_silver`.`engine_lives` ALTER COLUMN `fleet` COMMENT 'The set of engines, as FD001.';
ALTER TABLE `main`.`iot_silver`.`engine_lives` ALTER COLUMN `engine` COMMENT 'Its number in the test of its fleet.';
ALTER TABLE `main`.`iot_silver`.`engine_lives` ALTER COLUMN `fleet` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`engine_lives` ALTER COLUMN `engine` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`engine_lives` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_silver`.`engine_lives` ADD CONSTRAINT `engine_lives_key` PRIMARY KEY (`fleet`, `engine`);
CREATE TABLE IF NOT EXISTS `main`.`iot_silver`.`machine_readings` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/silver/machine_readings';
COMMENT ON TABLE `main`.`iot_silver`.`machine_readings` IS 'Readings of a milling machine, one row for each product, with whether it failed and how.

The readings are made up, and have no time; `reading` orders them. The failure\'s kind is known only once it has failed,
so it\'s no input of a prediction. Nine failures are of no kind that is named; a random failure isn\'t always counted as
one.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` SET TAGS ('domain' = 'iot', 'layer' = 'silver');
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `product_id` COMMENT 'Begins with its type.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `reading` COMMENT 'Its number.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `product_type` COMMENT 'Quality: L low, M medium, H high.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `tool_wear_minutes` COMMENT 'How long the tool was in use.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `tool_wear_failure` COMMENT 'Known only after a failure.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `heat_dissipation_failure` COMMENT 'Known only after a failure.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `power_failure` COMMENT 'Known only after a failure.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `overstrain_failure` COMMENT 'Known only after a failure.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `random_failure` COMMENT 'Known only after a failure.';
ALTER TABLE `main`.`iot_silver`.`machine_readings` ALTER COLUMN `product_id` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`machine_readings` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_silver`.`machine_readings` ADD CONSTRAINT `machine_readings_key` PRIMARY KEY (`product_id`);
CREATE TABLE IF NOT EXISTS `main`.`iot_silver`.`temperatures` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/silver/temperatures';
COMMENT ON TABLE `main`.`iot_silver`.`temperatures` IS 'Temperatures of a machine, one row for each five minutes.

The times are without a zone, and taken for UTC. The file has the hour from 2014-01-07 02:00 twice, with other readings:
the higher one of two is kept. The unit isn\'t published.';
ALTER TABLE `main`.`iot_silver`.`temperatures` SET TAGS ('domain' = 'iot', 'layer' = 'silver');
ALTER TABLE `main`.`iot_silver`.`temperatures` ALTER COLUMN `measured_at` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`temperatures` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_silver`.`temperatures` ADD CONSTRAINT `temperatures_key` PRIMARY KEY (`measured_at`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_silver`.`catalogue` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/silver/catalogue';
COMMENT ON TABLE `main`.`netflix_silver`.`catalogue` IS 'Movies and shows as the last dump of the newer kind has them, with their people, countries and genres as lists.

A title whose date or duration is in a form that isn\'t known is in quarantine.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` SET TAGS ('domain' = 'netflix', 'layer' = 'silver');
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `show_id` COMMENT 'As the dump numbers it, as s81.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `type` COMMENT 'Movie or TV Show.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `date_added` COMMENT 'When it came into the catalogue, as the dump writes it.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `added_on` COMMENT 'The same as a date.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `rating` COMMENT 'Of the age it\'s meant for, as TV-14.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `duration` COMMENT 'As the dump writes it.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `minutes` COMMENT 'Of a movie.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `seasons` COMMENT 'Of a show.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `genres` COMMENT 'As Netflix lists them.';
ALTER TABLE `main`.`netflix_silver`.`catalogue` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`catalogue` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_silver`.`catalogue` ADD CONSTRAINT `catalogue_key` PRIMARY KEY (`show_id`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_silver`.`titles` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/silver/titles';
COMMENT ON TABLE `main`.`netflix_silver`.`titles` IS 'Movies and shows, one row each, as the last dump has them.

A record that was broken over two lines has its cells under wrong names; both parts are in quarantine.';
ALTER TABLE `main`.`netflix_silver`.`titles` SET TAGS ('domain' = 'netflix', 'layer' = 'silver');
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `show_id` COMMENT 'Netflix\'s own number.';
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `type` COMMENT 'Movie or TV Show.';
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `added_on` COMMENT 'When it came into the catalogue.';
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `rating` COMMENT 'Of the age it\'s meant for, as TV-14.';
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `minutes` COMMENT 'Of a movie.';
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `seasons` COMMENT 'Of a show.';
ALTER TABLE `main`.`netflix_silver`.`titles` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`titles` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_silver`.`titles` ADD CONSTRAINT `titles_key` PRIMARY KEY (`show_id`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_silver`.`flights` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/silver/flights';
COMMENT ON TABLE `main`.`airlines_silver`.`flights` IS 'Flights, one row each: typed, in UTC, with cancelled and diverted flights told apart.

The feed has local clock times and delays. A scheduled time becomes an instant by the time zone of its airport; an
actual one is the scheduled one plus the delay, which no change of clocks can shift. A flight that never departed is
cancelled; one that departed and has no arrival delay didn\'t reach its destination as planned, and is diverted.';
ALTER TABLE `main`.`airlines_silver`.`flights` SET TAGS ('domain' = 'airlines', 'layer' = 'silver');
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `carrier` COMMENT 'Two-character code.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `flight` COMMENT 'Flight number.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `origin` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `scheduled_departure_at` COMMENT 'UTC.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `flight_date` COMMENT 'Local date of departure at the origin.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `destination` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `departed_at` COMMENT 'UTC; null when cancelled.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `departure_delay_minutes` COMMENT 'Negative when early.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `scheduled_arrival_at` COMMENT 'UTC; null where the destination\'s time zone is unknown.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `arrived_at` COMMENT 'UTC; null when cancelled or diverted.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `arrival_delay_minutes` COMMENT 'Negative when early.';
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `flight` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `origin` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`flights` ALTER COLUMN `scheduled_departure_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_silver`.`flights` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_silver`.`flights` ADD CONSTRAINT `flights_key` PRIMARY KEY (`carrier`, `flight`, `origin`, `scheduled_departure_at`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`dim_carrier` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/dim_carrier';
COMMENT ON TABLE `main`.`airlines_gold`.`dim_carrier` IS 'Carriers for reports, one row for each name a carrier has had.

What the first delivery said is taken to be true from the beginning.';
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` ALTER COLUMN `carrier_key` COMMENT 'Hash of carrier and valid_from.';
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` ALTER COLUMN `carrier` COMMENT 'Two-character code.';
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` ALTER COLUMN `valid_from` COMMENT 'UTC; 1900-01-01 for a carrier\'s first row.';
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` ALTER COLUMN `valid_to` COMMENT 'UTC, the end not included; null while it lasts.';
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` ALTER COLUMN `carrier_key` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`dim_carrier` ADD CONSTRAINT `dim_carrier_key` PRIMARY KEY (`carrier_key`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_features`.`airport_weather` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/features/airport_weather';
COMMENT ON TABLE `main`.`airlines_features`.`airport_weather` IS 'The weather at an airport, as it was known at a time: no model sees an observation before it was published.';
ALTER TABLE `main`.`airlines_features`.`airport_weather` SET TAGS ('domain' = 'airlines', 'layer' = 'features');
ALTER TABLE `main`.`airlines_features`.`airport_weather` ALTER COLUMN `airport` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_features`.`airport_weather` ALTER COLUMN `observed_at` COMMENT 'UTC; the beginning of the hour.';
ALTER TABLE `main`.`airlines_features`.`airport_weather` ALTER COLUMN `known_at` COMMENT 'UTC; ten minutes after that hour.';
ALTER TABLE `main`.`airlines_features`.`airport_weather` ALTER COLUMN `airport` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`airport_weather` ALTER COLUMN `observed_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`airport_weather` ALTER COLUMN `known_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`airport_weather` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_features`.`airport_weather` ADD CONSTRAINT `airport_weather_key` PRIMARY KEY (`airport`, `observed_at`, `known_at`);
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_gold`.`sales_by_day` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/gold/sales_by_day';
COMMENT ON TABLE `main`.`ecommerce_gold`.`sales_by_day` IS 'Sales of the gift shop per day and country, in pounds: what was sold, what was cancelled, and what is left of it.

A line that an invoice has twice counts twice, as the customer paid for both. Who bought is known for three lines in
four, so there are more buyers than `customers` has.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` SET TAGS ('domain' = 'ecommerce', 'layer' = 'gold');
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `orders` COMMENT 'Invoices that aren\'t cancellations or adjustments.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `cancellations` COMMENT 'Invoices that are.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `customers` COMMENT 'Who ordered, of those that are named.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `units` COMMENT 'Ordered.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `sales` COMMENT 'Of the orders.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `cancelled` COMMENT 'Below zero.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `adjusted` COMMENT 'For bad debt.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `net_sales` COMMENT 'All three together.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `mean_order` COMMENT 'Sales by orders; null on a day without orders.';
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `day` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ALTER COLUMN `country` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`ecommerce_gold`.`sales_by_day` ADD CONSTRAINT `sales_by_day_key` PRIMARY KEY (`day`, `country`);
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_gold`.`customer_value` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/gold/customer_value';
COMMENT ON TABLE `main`.`ecommerce_gold`.`customer_value` IS 'What each customer of CDNOW bought in the first 39 weeks, from which the next 39 can be told; and what came of it.

The columns are those of BG/NBD and Gamma-Gamma models. Purchases of a day are one; the first doesn\'t count as a
repetition. Time is in weeks. The 39 weeks end on 30 September 1997; the next 39 end on 30 June 1998.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` SET TAGS ('domain' = 'ecommerce', 'layer' = 'gold');
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `frequency` COMMENT 'Days of the 39 weeks with a purchase, but for the first.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `recency` COMMENT 'Weeks from the first purchase to the last of the 39 weeks.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `observed` COMMENT 'Weeks from the first purchase to the end of the 39: T.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `monetary` COMMENT 'Mean dollars of a day with a repetition; null where there is none.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `next_purchases` COMMENT 'Days with a purchase in the next 39 weeks: a label.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `next_amount_usd` COMMENT 'Dollars paid in the next 39 weeks: a label.';
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ALTER COLUMN `customer_id` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`ecommerce_gold`.`customer_value` ADD CONSTRAINT `customer_value_key` PRIMARY KEY (`customer_id`);
CREATE TABLE IF NOT EXISTS `main`.`ecommerce_gold`.`churn_by_contract` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/ecommerce/gold/churn_by_contract';
COMMENT ON TABLE `main`.`ecommerce_gold`.`churn_by_contract` IS 'How many subscribers of the telephone company left in the last month, by their contract, and what they paid.';
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` SET TAGS ('domain' = 'ecommerce', 'layer' = 'gold');
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` ALTER COLUMN `contract` COMMENT 'Month-to-month, One year or Two year.';
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` ALTER COLUMN `subscribers` COMMENT 'With those who left.';
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` ALTER COLUMN `mean_monthly_charges` COMMENT 'Dollars.';
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` ALTER COLUMN `lost_monthly_charges` COMMENT 'Dollars a month of those who left.';
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` ALTER COLUMN `contract` SET NOT NULL;
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`ecommerce_gold`.`churn_by_contract` ADD CONSTRAINT `churn_by_contract_key` PRIMARY KEY (`contract`);
CREATE TABLE IF NOT EXISTS `main`.`finance_gold`.`card_fraud_by_hour` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/gold/card_fraud_by_hour';
COMMENT ON TABLE `main`.`finance_gold`.`card_fraud_by_hour` IS 'Card transactions and the fraud among them, by the hour since the first one.

Rates are those of the rows that have landed; a sample has far more fraud than all transactions have.';
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` SET TAGS ('domain' = 'finance', 'layer' = 'gold');
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` ALTER COLUMN `hour` COMMENT '0 to 47.';
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` ALTER COLUMN `amount` COMMENT 'Euros.';
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` ALTER COLUMN `fraud_amount` COMMENT 'Euros.';
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` ALTER COLUMN `hour` SET NOT NULL;
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`finance_gold`.`card_fraud_by_hour` ADD CONSTRAINT `card_fraud_by_hour_key` PRIMARY KEY (`hour`);
CREATE TABLE IF NOT EXISTS `main`.`finance_gold`.`fraud_alerts` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/gold/fraud_alerts';
COMMENT ON TABLE `main`.`finance_gold`.`fraud_alerts` IS 'What two simple alerts on mobile payments would have found, per day of the simulation.

One is the simulation\'s own flag. The other is raised by a transfer or a withdrawal of all that the account has, which
can be told before it\'s paid. Precision is that of the rows that have landed; among all payments it\'s lower.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` SET TAGS ('domain' = 'finance', 'layer' = 'gold');
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `day` COMMENT 'From 1.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `flagged` COMMENT 'By the simulation\'s rule.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `alerts` COMMENT 'Payments that empty the account.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `caught` COMMENT 'Alerts that are fraud.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `precision` COMMENT 'Caught, of the alerts; null on a day without.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `recall` COMMENT 'Caught, of the frauds; null on a day without.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `missed_amount` COMMENT 'Of the frauds that raise no alert.';
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ALTER COLUMN `day` SET NOT NULL;
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`finance_gold`.`fraud_alerts` ADD CONSTRAINT `fraud_alerts_key` PRIMARY KEY (`day`);
CREATE TABLE IF NOT EXISTS `main`.`finance_gold`.`fraud_by_type_hour` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/finance/gold/fraud_by_type_hour';
COMMENT ON TABLE `main`.`finance_gold`.`fraud_by_type_hour` IS 'Mobile payments and the fraud among them, by type and hour of the day.

Rates are those of the rows that have landed; a sample has far more fraud than all payments have.';
ALTER TABLE `main`.`finance_gold`.`fraud_by_type_hour` SET TAGS ('domain' = 'finance', 'layer' = 'gold');
ALTER TABLE `main`.`finance_gold`.`fraud_by_type_hour` ALTER COLUMN `hour` COMMENT '0 to 23, of the simulation\'s clock.';
ALTER TABLE `main`.`finance_gold`.`fraud_by_type_hour` ALTER COLUMN `type` SET NOT NULL;
ALTER TABLE `main`.`finance_gold`.`fraud_by_type_hour` ALTER COLUMN `hour` SET NOT NULL;
ALTER TABLE `main`.`finance_gold`.`fraud_by_type_hour` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`finance_gold`.`fraud_by_type_hour` ADD CONSTRAINT `fraud_by_type_hour_key` PRIMARY KEY (`type`, `hour`);
CREATE TABLE IF NOT EXISTS `main`.`iot_silver`.`engine_cycles` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/silver/engine_cycles';
COMMENT ON TABLE `main`.`iot_silver`.`engine_cycles` IS 'Cycles of simulated jet engines, one row each, with settings, sensors, and how many cycles were left to the engine.

Engines to train by run until they fail; those of the test are cut off before, and how long they\'d have lived is told
apart. Engines of the two have equal numbers and are others. Seven columns of FD001 never change.';
ALTER TABLE `main`.`iot_silver`.`engine_cycles` SET TAGS ('domain' = 'iot', 'layer' = 'silver');
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `fleet` COMMENT 'The set of engines, as FD001.';
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `split` COMMENT 'train or test.';
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `engine` COMMENT 'Its number in fleet and split.';
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `cycle` COMMENT 'Counted from 1: a flight.';
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `cycles_left` COMMENT 'Until the engine fails: the label. Null where the truth hasn\'t landed.';
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `fleet` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `split` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `engine` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ALTER COLUMN `cycle` SET NOT NULL;
ALTER TABLE `main`.`iot_silver`.`engine_cycles` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_silver`.`engine_cycles` ADD CONSTRAINT `engine_cycles_key` PRIMARY KEY (`fleet`, `split`, `engine`, `cycle`);
CREATE TABLE IF NOT EXISTS `main`.`iot_gold`.`failures_by_type` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/gold/failures_by_type';
COMMENT ON TABLE `main`.`iot_gold`.`failures_by_type` IS 'How often the milling machine fails, by the product\'s type and the kind of failure.

A failure may be of several kinds. `any` counts failures of all kinds and of none that is named; `random` also counts
what isn\'t taken for a failure.';
ALTER TABLE `main`.`iot_gold`.`failures_by_type` SET TAGS ('domain' = 'iot', 'layer' = 'gold');
ALTER TABLE `main`.`iot_gold`.`failures_by_type` ALTER COLUMN `product_type` COMMENT 'L low, M medium, H high quality.';
ALTER TABLE `main`.`iot_gold`.`failures_by_type` ALTER COLUMN `mode` COMMENT 'Kind of failure, or any.';
ALTER TABLE `main`.`iot_gold`.`failures_by_type` ALTER COLUMN `product_type` SET NOT NULL;
ALTER TABLE `main`.`iot_gold`.`failures_by_type` ALTER COLUMN `mode` SET NOT NULL;
ALTER TABLE `main`.`iot_gold`.`failures_by_type` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_gold`.`failures_by_type` ADD CONSTRAINT `failures_by_type_key` PRIMARY KEY (`product_type`, `mode`);
CREATE TABLE IF NOT EXISTS `main`.`iot_gold`.`temperature_by_hour` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/gold/temperature_by_hour';
COMMENT ON TABLE `main`.`iot_gold`.`temperature_by_hour` IS 'The machine\'s temperature by the hour, and whether people labelled some of the hour as an anomaly.';
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` SET TAGS ('domain' = 'iot', 'layer' = 'gold');
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` ALTER COLUMN `hour` COMMENT 'Its beginning.';
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` ALTER COLUMN `readings` COMMENT '12 of an hour without a gap.';
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` ALTER COLUMN `anomaly` COMMENT 'A reading of the hour is in a labelled window.';
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` ALTER COLUMN `hour` SET NOT NULL;
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_gold`.`temperature_by_hour` ADD CONSTRAINT `temperature_by_hour_key` PRIMARY KEY (`hour`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_silver`.`cast` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/silver/cast';
COMMENT ON TABLE `main`.`netflix_silver`.`cast` IS 'Who plays in which title, as the last dump has it.

A row of a title that isn\'t known is in quarantine; once the title is, `lakehouse run TABLE --full` takes the row in.';
ALTER TABLE `main`.`netflix_silver`.`cast` SET TAGS ('domain' = 'netflix', 'layer' = 'silver');
ALTER TABLE `main`.`netflix_silver`.`cast` ALTER COLUMN `actor` COMMENT 'Name, as in the credits.';
ALTER TABLE `main`.`netflix_silver`.`cast` ALTER COLUMN `title` COMMENT 'Of the movie or show.';
ALTER TABLE `main`.`netflix_silver`.`cast` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`cast` ALTER COLUMN `actor` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`cast` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_silver`.`cast` ADD CONSTRAINT `cast_key` PRIMARY KEY (`show_id`, `actor`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_silver`.`countries` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/silver/countries';
COMMENT ON TABLE `main`.`netflix_silver`.`countries` IS 'Where each title was produced, as the last dump has it.

A row of a title that isn\'t known is in quarantine; once the title is, `lakehouse run TABLE --full` takes the row in.';
ALTER TABLE `main`.`netflix_silver`.`countries` SET TAGS ('domain' = 'netflix', 'layer' = 'silver');
ALTER TABLE `main`.`netflix_silver`.`countries` ALTER COLUMN `country` COMMENT 'English name.';
ALTER TABLE `main`.`netflix_silver`.`countries` ALTER COLUMN `title` COMMENT 'Of the movie or show.';
ALTER TABLE `main`.`netflix_silver`.`countries` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`countries` ALTER COLUMN `country` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`countries` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_silver`.`countries` ADD CONSTRAINT `countries_key` PRIMARY KEY (`show_id`, `country`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_silver`.`directors` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/silver/directors';
COMMENT ON TABLE `main`.`netflix_silver`.`directors` IS 'Who directed which title, as the last dump has it.

A row of a title that isn\'t known is in quarantine; once the title is, `lakehouse run TABLE --full` takes the row in.';
ALTER TABLE `main`.`netflix_silver`.`directors` SET TAGS ('domain' = 'netflix', 'layer' = 'silver');
ALTER TABLE `main`.`netflix_silver`.`directors` ALTER COLUMN `director` COMMENT 'Name, as in the credits.';
ALTER TABLE `main`.`netflix_silver`.`directors` ALTER COLUMN `title` COMMENT 'Of the movie or show.';
ALTER TABLE `main`.`netflix_silver`.`directors` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`directors` ALTER COLUMN `director` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`directors` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_silver`.`directors` ADD CONSTRAINT `directors_key` PRIMARY KEY (`show_id`, `director`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_silver`.`genres` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/silver/genres';
COMMENT ON TABLE `main`.`netflix_silver`.`genres` IS 'The genres of each title, as the last dump has them.

A row of a title that isn\'t known is in quarantine; once the title is, `lakehouse run TABLE --full` takes the row in.';
ALTER TABLE `main`.`netflix_silver`.`genres` SET TAGS ('domain' = 'netflix', 'layer' = 'silver');
ALTER TABLE `main`.`netflix_silver`.`genres` ALTER COLUMN `genre` COMMENT 'As Netflix lists it.';
ALTER TABLE `main`.`netflix_silver`.`genres` ALTER COLUMN `title` COMMENT 'Of the movie or show.';
ALTER TABLE `main`.`netflix_silver`.`genres` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`genres` ALTER COLUMN `genre` SET NOT NULL;
ALTER TABLE `main`.`netflix_silver`.`genres` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_silver`.`genres` ADD CONSTRAINT `genres_key` PRIMARY KEY (`show_id`, `genre`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`additions_by_month` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/additions_by_month';
COMMENT ON TABLE `main`.`netflix_gold`.`additions_by_month` IS 'What came into the catalogue in each month.';
ALTER TABLE `main`.`netflix_gold`.`additions_by_month` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`additions_by_month` ALTER COLUMN `month` COMMENT 'Its first day.';
ALTER TABLE `main`.`netflix_gold`.`additions_by_month` ALTER COLUMN `month` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`additions_by_month` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`additions_by_month` ADD CONSTRAINT `additions_by_month_key` PRIMARY KEY (`month`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`catalogue_by_year` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/catalogue_by_year';
COMMENT ON TABLE `main`.`netflix_gold`.`catalogue_by_year` IS 'What there is of each year of release, by type and rating.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` ALTER COLUMN `type` COMMENT 'Movie or TV Show.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` ALTER COLUMN `rating` COMMENT '`none` where a title has none.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` ALTER COLUMN `release_year` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` ALTER COLUMN `type` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` ALTER COLUMN `rating` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_year` ADD CONSTRAINT `catalogue_by_year_key` PRIMARY KEY (`release_year`, `type`, `rating`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`dim_title` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/dim_title';
COMMENT ON TABLE `main`.`netflix_gold`.`dim_title` IS 'Titles for reports, one row each. The bridges lead from here to genres, countries and people.';
ALTER TABLE `main`.`netflix_gold`.`dim_title` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`dim_title` ALTER COLUMN `type` COMMENT 'Movie or TV Show.';
ALTER TABLE `main`.`netflix_gold`.`dim_title` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`dim_title` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`dim_title` ADD CONSTRAINT `dim_title_key` PRIMARY KEY (`show_id`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`airport_board` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/airport_board';
COMMENT ON TABLE `main`.`airlines_gold`.`airport_board` IS 'Departures of each New York airport by scheduled hour (UTC), with the weather observed in that hour.';
ALTER TABLE `main`.`airlines_gold`.`airport_board` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`airport_board` ALTER COLUMN `hour` COMMENT 'UTC.';
ALTER TABLE `main`.`airlines_gold`.`airport_board` ALTER COLUMN `departures` COMMENT 'Scheduled.';
ALTER TABLE `main`.`airlines_gold`.`airport_board` ALTER COLUMN `delayed_15` COMMENT 'Departed 15 minutes late or more.';
ALTER TABLE `main`.`airlines_gold`.`airport_board` ALTER COLUMN `mean_departure_delay` COMMENT 'Minutes.';
ALTER TABLE `main`.`airlines_gold`.`airport_board` ALTER COLUMN `airport` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`airport_board` ALTER COLUMN `hour` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`airport_board` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`airport_board` ADD CONSTRAINT `airport_board_key` PRIMARY KEY (`airport`, `hour`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`departures_ahead` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/departures_ahead';
COMMENT ON TABLE `main`.`airlines_gold`.`departures_ahead` IS 'Each flight as it stood two hours before its scheduled departure: what is known of it then, and how it went.

`late` is null for a cancelled flight, and for one that hasn\'t left yet. Local times are those of the origin.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `carrier` COMMENT 'Two-character code.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `flight` COMMENT 'Flight number.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `origin` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `scheduled_departure_at` COMMENT 'UTC.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `predicted_at` COMMENT 'UTC; two hours before.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `destination` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `weekday` COMMENT '0 is Monday.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `minute_of_day` COMMENT 'Of the scheduled departure, local.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `seats` COMMENT 'Of the plane that is planned; null where it isn\'t known.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `late` COMMENT 'It left more than 15 minutes late.';
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `flight` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `origin` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ALTER COLUMN `scheduled_departure_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`departures_ahead` ADD CONSTRAINT `departures_ahead_key` PRIMARY KEY (`carrier`, `flight`, `origin`, `scheduled_departure_at`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`dim_airport` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/dim_airport';
COMMENT ON TABLE `main`.`airlines_gold`.`dim_airport` IS 'Airports for reports, one row each.

An airport that flights name and the reference doesn\'t have is there by its code alone.';
ALTER TABLE `main`.`airlines_gold`.`dim_airport` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`dim_airport` ALTER COLUMN `airport` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_gold`.`dim_airport` ALTER COLUMN `name` COMMENT 'Null where the reference doesn\'t know the airport.';
ALTER TABLE `main`.`airlines_gold`.`dim_airport` ALTER COLUMN `known` COMMENT 'In the reference.';
ALTER TABLE `main`.`airlines_gold`.`dim_airport` ALTER COLUMN `airport` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`dim_airport` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`dim_airport` ADD CONSTRAINT `dim_airport_key` PRIMARY KEY (`airport`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`dim_date` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/dim_date';
COMMENT ON TABLE `main`.`airlines_gold`.`dim_date` IS 'Days for reports: every day from the first flight to the last.';
ALTER TABLE `main`.`airlines_gold`.`dim_date` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`dim_date` ALTER COLUMN `week` COMMENT 'ISO 8601.';
ALTER TABLE `main`.`airlines_gold`.`dim_date` ALTER COLUMN `weekday` COMMENT '1 is Monday (ISO 8601).';
ALTER TABLE `main`.`airlines_gold`.`dim_date` ALTER COLUMN `date` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`dim_date` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`dim_date` ADD CONSTRAINT `dim_date_key` PRIMARY KEY (`date`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`dim_plane` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/dim_plane';
COMMENT ON TABLE `main`.`airlines_gold`.`dim_plane` IS 'Planes for reports, one row for each state a plane has been in.

What the first delivery of the register said is taken to be true from the beginning. A tail number that flights name and
the register doesn\'t have is there by itself.';
ALTER TABLE `main`.`airlines_gold`.`dim_plane` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`dim_plane` ALTER COLUMN `plane_key` COMMENT 'Hash of tail number and valid_from.';
ALTER TABLE `main`.`airlines_gold`.`dim_plane` ALTER COLUMN `known` COMMENT 'In the register.';
ALTER TABLE `main`.`airlines_gold`.`dim_plane` ALTER COLUMN `valid_from` COMMENT 'UTC; 1900-01-01 for a plane\'s first row.';
ALTER TABLE `main`.`airlines_gold`.`dim_plane` ALTER COLUMN `valid_to` COMMENT 'UTC, the end not included; null while it lasts.';
ALTER TABLE `main`.`airlines_gold`.`dim_plane` ALTER COLUMN `plane_key` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`dim_plane` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`dim_plane` ADD CONSTRAINT `dim_plane_key` PRIMARY KEY (`plane_key`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`on_time_kpis` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/on_time_kpis';
COMMENT ON TABLE `main`.`airlines_gold`.`on_time_kpis` IS 'On-time figures per month and airport of departure, by the US DOT\'s measure: on time is less than 15 minutes late.

Shares are of all scheduled flights, so that a cancelled or diverted one is not on time.';
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ALTER COLUMN `month` COMMENT 'Its first day.';
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ALTER COLUMN `flights` COMMENT 'Scheduled.';
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ALTER COLUMN `mean_arrival_delay` COMMENT 'Minutes, over the flights that arrived.';
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ALTER COLUMN `p90_arrival_delay` COMMENT 'Minutes; nine in ten flights that arrived were no later.';
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ALTER COLUMN `month` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ALTER COLUMN `airport` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`on_time_kpis` ADD CONSTRAINT `on_time_kpis_key` PRIMARY KEY (`month`, `airport`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`route_performance` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/route_performance';
COMMENT ON TABLE `main`.`airlines_gold`.`route_performance` IS 'How each route does: traffic, carriers, delays in minutes, and the share of scheduled flights that come on time.';
ALTER TABLE `main`.`airlines_gold`.`route_performance` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`route_performance` ALTER COLUMN `distance_miles` COMMENT 'As the flights of the route have it most often.';
ALTER TABLE `main`.`airlines_gold`.`route_performance` ALTER COLUMN `flights` COMMENT 'Scheduled.';
ALTER TABLE `main`.`airlines_gold`.`route_performance` ALTER COLUMN `on_time_share` COMMENT 'Arrived less than 15 minutes late, of all scheduled.';
ALTER TABLE `main`.`airlines_gold`.`route_performance` ALTER COLUMN `origin` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`route_performance` ALTER COLUMN `destination` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`route_performance` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`route_performance` ADD CONSTRAINT `route_performance_key` PRIMARY KEY (`origin`, `destination`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_features`.`carrier_delays` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/features/carrier_delays';
COMMENT ON TABLE `main`.`airlines_features`.`carrier_delays` IS 'How late a carrier\'s flights left an airport, by the hour in which they were to leave.

An hour is known once it\'s over and the last of its flights has left; cancelled flights don\'t count.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` SET TAGS ('domain' = 'airlines', 'layer' = 'features');
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `carrier` COMMENT 'Two-character code.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `origin` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `hour_ended_at` COMMENT 'UTC; the end of the hour of the scheduled departures.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `known_at` COMMENT 'UTC; when the last of these flights had left.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `flights` COMMENT 'That have left.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `mean_departure_delay` COMMENT 'Minutes; an early flight counts below zero.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `late_share` COMMENT 'Left 15 minutes late or more.';
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `origin` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `hour_ended_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ALTER COLUMN `known_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_features`.`carrier_delays` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_features`.`carrier_delays` ADD CONSTRAINT `carrier_delays_key` PRIMARY KEY (`carrier`, `origin`, `hour_ended_at`, `known_at`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`delays_by_carrier` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/delays_by_carrier';
COMMENT ON TABLE `main`.`airlines_gold`.`delays_by_carrier` IS 'Delays per carrier and day.

Means are in minutes, over the flights that have the delay; an early flight counts below zero.';
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` ALTER COLUMN `carrier_name` COMMENT 'As of the day\'s last flight.';
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` ALTER COLUMN `flights` COMMENT 'Scheduled.';
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` ALTER COLUMN `delayed_15` COMMENT 'Arrived 15 minutes late or more.';
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` ALTER COLUMN `flight_date` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`delays_by_carrier` ADD CONSTRAINT `delays_by_carrier_key` PRIMARY KEY (`flight_date`, `carrier`);
CREATE TABLE IF NOT EXISTS `main`.`iot_gold`.`engine_life` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/iot/gold/engine_life';
COMMENT ON TABLE `main`.`iot_gold`.`engine_life` IS 'How long each jet engine lived: the cycles that were seen, those that were left then, and both together.';
ALTER TABLE `main`.`iot_gold`.`engine_life` SET TAGS ('domain' = 'iot', 'layer' = 'gold');
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `fleet` COMMENT 'The set of engines, as FD001.';
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `split` COMMENT 'train or test.';
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `cycles_left` COMMENT 'After the last one seen; 0 of an engine to train by.';
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `life` COMMENT 'Cycles until it fails.';
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `fleet` SET NOT NULL;
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `split` SET NOT NULL;
ALTER TABLE `main`.`iot_gold`.`engine_life` ALTER COLUMN `engine` SET NOT NULL;
ALTER TABLE `main`.`iot_gold`.`engine_life` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`iot_gold`.`engine_life` ADD CONSTRAINT `engine_life_key` PRIMARY KEY (`fleet`, `split`, `engine`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`collaborations` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/collaborations';
COMMENT ON TABLE `main`.`netflix_gold`.`collaborations` IS 'Actors who play together in two titles or more, a row for each of the two.';
ALTER TABLE `main`.`netflix_gold`.`collaborations` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`collaborations` ALTER COLUMN `titles` COMMENT 'In which both play.';
ALTER TABLE `main`.`netflix_gold`.`collaborations` ALTER COLUMN `actor` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`collaborations` ALTER COLUMN `partner` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`collaborations` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`collaborations` ADD CONSTRAINT `collaborations_key` PRIMARY KEY (`actor`, `partner`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`bridge_title_country` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/bridge_title_country';
COMMENT ON TABLE `main`.`netflix_gold`.`bridge_title_country` IS 'Which titles come from which country, a row for each pair.';
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` ALTER COLUMN `country` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` ADD CONSTRAINT `bridge_title_country_key` PRIMARY KEY (`show_id`, `country`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`catalogue_by_country` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/catalogue_by_country';
COMMENT ON TABLE `main`.`netflix_gold`.`catalogue_by_country` IS 'What each country has in the catalogue; a title from two countries counts in both.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_country` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_country` ALTER COLUMN `median_minutes` COMMENT 'Of its movies.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_country` ALTER COLUMN `country` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_country` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_country` ADD CONSTRAINT `catalogue_by_country_key` PRIMARY KEY (`country`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`bridge_title_person` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/bridge_title_person';
COMMENT ON TABLE `main`.`netflix_gold`.`bridge_title_person` IS 'Who did what in which title, a row for each person and role.';
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` ALTER COLUMN `role` COMMENT 'actor or director.';
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` ALTER COLUMN `person` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` ALTER COLUMN `role` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` ADD CONSTRAINT `bridge_title_person_key` PRIMARY KEY (`show_id`, `person`, `role`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`bridge_title_genre` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/bridge_title_genre';
COMMENT ON TABLE `main`.`netflix_gold`.`bridge_title_genre` IS 'Which titles are of which genre, a row for each pair.';
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` ALTER COLUMN `show_id` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` ALTER COLUMN `genre` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` ADD CONSTRAINT `bridge_title_genre_key` PRIMARY KEY (`show_id`, `genre`);
CREATE TABLE IF NOT EXISTS `main`.`netflix_gold`.`catalogue_by_genre` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/netflix/gold/catalogue_by_genre';
COMMENT ON TABLE `main`.`netflix_gold`.`catalogue_by_genre` IS 'What there is of each genre; a title of two genres counts in both.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_genre` SET TAGS ('domain' = 'netflix', 'layer' = 'gold');
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_genre` ALTER COLUMN `median_minutes` COMMENT 'Of its movies.';
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_genre` ALTER COLUMN `genre` SET NOT NULL;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_genre` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`netflix_gold`.`catalogue_by_genre` ADD CONSTRAINT `catalogue_by_genre_key` PRIMARY KEY (`genre`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`fact_flights` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/fact_flights';
COMMENT ON TABLE `main`.`airlines_gold`.`fact_flights` IS 'One row per flight, with the keys of its dimensions and its measures: the centre of the airlines star.

Carrier and plane are those of the time of the flight: the row of the dimension that was valid at its scheduled
departure.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `origin` COMMENT '→ dim_airport.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `scheduled_departure_at` COMMENT 'UTC.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `flight_date` COMMENT '→ dim_date.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `destination` COMMENT '→ dim_airport.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `carrier_key` COMMENT '→ dim_carrier.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `plane_key` COMMENT '→ dim_plane; null where the feed names no plane.';
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `flight` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `origin` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ALTER COLUMN `scheduled_departure_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ADD CONSTRAINT `fact_flights_key` PRIMARY KEY (`carrier`, `flight`, `origin`, `scheduled_departure_at`);
CREATE TABLE IF NOT EXISTS `main`.`airlines_gold`.`late_departure_risk` USING DELTA LOCATION 'abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake/airlines/gold/late_departure_risk';
COMMENT ON TABLE `main`.`airlines_gold`.`late_departure_risk` IS 'The chance that each flight leaves more than 15 minutes late, as the champion has it two hours before.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` SET TAGS ('domain' = 'airlines', 'layer' = 'gold');
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `carrier` COMMENT 'Two-character code.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `flight` COMMENT 'Flight number.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `origin` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `scheduled_departure_at` COMMENT 'UTC.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `destination` COMMENT 'FAA code.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `score` COMMENT 'The probability of the label, or the number that is predicted.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `model_version` COMMENT 'The version of the model that gave the score.';
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `carrier` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `flight` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `origin` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ALTER COLUMN `scheduled_departure_at` SET NOT NULL;
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` DROP PRIMARY KEY IF EXISTS CASCADE;
ALTER TABLE `main`.`airlines_gold`.`late_departure_risk` ADD CONSTRAINT `late_departure_risk_key` PRIMARY KEY (`carrier`, `flight`, `origin`, `scheduled_departure_at`);
ALTER TABLE `main`.`netflix_silver`.`cast` DROP CONSTRAINT IF EXISTS `cast_show_id_in_silver_titles`;
ALTER TABLE `main`.`netflix_silver`.`cast` ADD CONSTRAINT `cast_show_id_in_silver_titles` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_silver`.`titles` (`show_id`);
ALTER TABLE `main`.`netflix_silver`.`countries` DROP CONSTRAINT IF EXISTS `countries_show_id_in_silver_titles`;
ALTER TABLE `main`.`netflix_silver`.`countries` ADD CONSTRAINT `countries_show_id_in_silver_titles` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_silver`.`titles` (`show_id`);
ALTER TABLE `main`.`netflix_silver`.`directors` DROP CONSTRAINT IF EXISTS `directors_show_id_in_silver_titles`;
ALTER TABLE `main`.`netflix_silver`.`directors` ADD CONSTRAINT `directors_show_id_in_silver_titles` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_silver`.`titles` (`show_id`);
ALTER TABLE `main`.`netflix_silver`.`genres` DROP CONSTRAINT IF EXISTS `genres_show_id_in_silver_titles`;
ALTER TABLE `main`.`netflix_silver`.`genres` ADD CONSTRAINT `genres_show_id_in_silver_titles` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_silver`.`titles` (`show_id`);
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` DROP CONSTRAINT IF EXISTS `bridge_title_country_show_id_in_gold_dim_title`;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_country` ADD CONSTRAINT `bridge_title_country_show_id_in_gold_dim_title` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_gold`.`dim_title` (`show_id`);
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` DROP CONSTRAINT IF EXISTS `bridge_title_person_show_id_in_gold_dim_title`;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_person` ADD CONSTRAINT `bridge_title_person_show_id_in_gold_dim_title` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_gold`.`dim_title` (`show_id`);
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` DROP CONSTRAINT IF EXISTS `bridge_title_genre_show_id_in_gold_dim_title`;
ALTER TABLE `main`.`netflix_gold`.`bridge_title_genre` ADD CONSTRAINT `bridge_title_genre_show_id_in_gold_dim_title` FOREIGN KEY (`show_id`) REFERENCES `main`.`netflix_gold`.`dim_title` (`show_id`);
ALTER TABLE `main`.`airlines_gold`.`fact_flights` DROP CONSTRAINT IF EXISTS `fact_flights_carrier_key_in_gold_dim_carrier`;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ADD CONSTRAINT `fact_flights_carrier_key_in_gold_dim_carrier` FOREIGN KEY (`carrier_key`) REFERENCES `main`.`airlines_gold`.`dim_carrier` (`carrier_key`);
ALTER TABLE `main`.`airlines_gold`.`fact_flights` DROP CONSTRAINT IF EXISTS `fact_flights_plane_key_in_gold_dim_plane`;
ALTER TABLE `main`.`airlines_gold`.`fact_flights` ADD CONSTRAINT `fact_flights_plane_key_in_gold_dim_plane` FOREIGN KEY (`plane_key`) REFERENCES `main`.`airlines_gold`.`dim_plane` (`plane_key`);
