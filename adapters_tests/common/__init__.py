"""What tests of several rooms use: clients behind one face, a world without I/O, programs in processes of their own."""
