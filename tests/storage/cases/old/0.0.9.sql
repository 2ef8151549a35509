-- The first version: other names of columns, and delays in minutes.
CREATE TABLE machine (id INTEGER PRIMARY KEY, "CpuCount" INTEGER, "NodeCap" INTEGER, "CpuLessThan" INTEGER,
  "CpuRemove" INTEGER, "MemLessThan" INTEGER, "MemRemove" INTEGER, "HDLessThan" INTEGER, "HDRemove" INTEGER,
  "DelayStart" INTEGER, "DelayUpgrade" INTEGER, "DelayRemove" INTEGER, "NodeStorage" TEXT, "RewardsAddress" TEXT,
  "DonateAddress" TEXT, "MaxLoadAverageAllowed" FLOAT, "DesiredLoadAverage" FLOAT, "PortStart" INTEGER,
  "HDIOReadLessThan" FLOAT, "HDIOReadRemove" FLOAT, "NetIOWriteLessThan" FLOAT, "NetIOWriteRemove" FLOAT,
  "LastStoppedAt" INTEGER);
INSERT INTO machine VALUES (1, 4, 30, 50, 70, 60, 75, 75, 90, 5, 5, 300, '/var/antctl/services',
  '0x1111111111111111111111111111111111111111', '0x00455d78f850b0358E8cea5be24d415E01E107CF', 4.0, 2.5, 55,
  0.0, 0.0, 1e6, 2e6, 0);
CREATE TABLE node (id INTEGER PRIMARY KEY, nodename VARCHAR(10), service TEXT, user VARCHAR(24), binary TEXT,
  version TEXT, root_dir TEXT, port INTEGER, metrics_port INTEGER, network TEXT, wallet VARCHAR(42),
  peer_id VARCHAR(52), status VARCHAR(32), timestamp INTEGER, records INTEGER, uptime INTEGER, shunned INTEGER,
  age INTEGER, host TEXT);
INSERT INTO node VALUES (1, '0001', 'antnode0001.service', 'ant', '/var/antctl/services/antnode0001/antnode', '0.3.9',
  '/var/antctl/services/antnode0001', 55001, 13001, 'evm-arbitrum-one', '0x1111111111111111111111111111111111111111',
  NULL, 'RUNNING', 1745000000, 0, 0, 0, 1744000000, NULL);
